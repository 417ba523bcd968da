"""The Chinook music shop: eleven tables as plain declarative models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Numeric, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


playlist_track = Table(
    "PlaylistTrack",
    Base.metadata,
    Column("PlaylistId", ForeignKey("Playlist.PlaylistId"), primary_key=True),
    Column("TrackId", ForeignKey("Track.TrackId"), primary_key=True),
)


class Artist(Base):
    __tablename__ = "Artist"

    id: Mapped[int] = mapped_column("ArtistId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    albums: Mapped[list[Album]] = relationship(back_populates="artist", order_by="Album.id")


class Album(Base):
    __tablename__ = "Album"

    id: Mapped[int] = mapped_column("AlbumId", primary_key=True)
    title: Mapped[str] = mapped_column("Title", String(160))
    artist_id: Mapped[int] = mapped_column("ArtistId", ForeignKey("Artist.ArtistId"))

    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list[Track]] = relationship(back_populates="album", order_by="Track.id")


class Genre(Base):
    __tablename__ = "Genre"

    id: Mapped[int] = mapped_column("GenreId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    tracks: Mapped[list[Track]] = relationship(back_populates="genre", order_by="Track.id")


class MediaType(Base):
    __tablename__ = "MediaType"

    id: Mapped[int] = mapped_column("MediaTypeId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    tracks: Mapped[list[Track]] = relationship(back_populates="media_type", order_by="Track.id")


class Track(Base):
    __tablename__ = "Track"

    id: Mapped[int] = mapped_column("TrackId", primary_key=True)
    name: Mapped[str] = mapped_column("Name", String(200))
    album_id: Mapped[int | None] = mapped_column("AlbumId", ForeignKey("Album.AlbumId"))
    media_type_id: Mapped[int] = mapped_column("MediaTypeId", ForeignKey("MediaType.MediaTypeId"))
    genre_id: Mapped[int | None] = mapped_column("GenreId", ForeignKey("Genre.GenreId"))
    composer: Mapped[str | None] = mapped_column("Composer", String(220))
    milliseconds: Mapped[int] = mapped_column("Milliseconds")
    bytes: Mapped[int | None] = mapped_column("Bytes")
    unit_price: Mapped[float] = mapped_column("UnitPrice", Numeric(10, 2, asdecimal=False))

    album: Mapped[Album | None] = relationship(back_populates="tracks")
    media_type: Mapped[MediaType] = relationship(back_populates="tracks")
    genre: Mapped[Genre | None] = relationship(back_populates="tracks")
    playlists: Mapped[list[Playlist]] = relationship(
        secondary=playlist_track, back_populates="tracks", order_by="Playlist.id"
    )
    invoice_lines: Mapped[list[InvoiceLine]] = relationship(
        back_populates="track", order_by="InvoiceLine.id"
    )


class Playlist(Base):
    __tablename__ = "Playlist"

    id: Mapped[int] = mapped_column("PlaylistId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    tracks: Mapped[list[Track]] = relationship(
        secondary=playlist_track, back_populates="playlists", order_by="Track.id"
    )


class Employee(Base):
    __tablename__ = "Employee"

    id: Mapped[int] = mapped_column("EmployeeId", primary_key=True)
    last_name: Mapped[str] = mapped_column("LastName", String(20))
    first_name: Mapped[str] = mapped_column("FirstName", String(20))
    title: Mapped[str | None] = mapped_column("Title", String(30))
    reports_to: Mapped[int | None] = mapped_column("ReportsTo", ForeignKey("Employee.EmployeeId"))
    birth_date: Mapped[datetime | None] = mapped_column("BirthDate")
    hire_date: Mapped[datetime | None] = mapped_column("HireDate")
    address: Mapped[str | None] = mapped_column("Address", String(70))
    city: Mapped[str | None] = mapped_column("City", String(40))
    state: Mapped[str | None] = mapped_column("State", String(40))
    country: Mapped[str | None] = mapped_column("Country", String(40))
    postal_code: Mapped[str | None] = mapped_column("PostalCode", String(10))
    phone: Mapped[str | None] = mapped_column("Phone", String(24))
    fax: Mapped[str | None] = mapped_column("Fax", String(24))
    email: Mapped[str | None] = mapped_column("Email", String(60))

    manager: Mapped[Employee | None] = relationship(
        remote_side="Employee.id", back_populates="reports"
    )
    reports: Mapped[list[Employee]] = relationship(back_populates="manager", order_by="Employee.id")
    customers: Mapped[list[Customer]] = relationship(
        back_populates="support_rep", order_by="Customer.id"
    )


class Customer(Base):
    __tablename__ = "Customer"

    id: Mapped[int] = mapped_column("CustomerId", primary_key=True)
    first_name: Mapped[str] = mapped_column("FirstName", String(40))
    last_name: Mapped[str] = mapped_column("LastName", String(20))
    company: Mapped[str | None] = mapped_column("Company", String(80))
    address: Mapped[str | None] = mapped_column("Address", String(70))
    city: Mapped[str | None] = mapped_column("City", String(40))
    state: Mapped[str | None] = mapped_column("State", String(40))
    country: Mapped[str | None] = mapped_column("Country", String(40))
    postal_code: Mapped[str | None] = mapped_column("PostalCode", String(10))
    phone: Mapped[str | None] = mapped_column("Phone", String(24))
    fax: Mapped[str | None] = mapped_column("Fax", String(24))
    email: Mapped[str] = mapped_column("Email", String(60))
    support_rep_id: Mapped[int | None] = mapped_column(
        "SupportRepId", ForeignKey("Employee.EmployeeId")
    )

    support_rep: Mapped[Employee | None] = relationship(back_populates="customers")
    invoices: Mapped[list[Invoice]] = relationship(back_populates="customer", order_by="Invoice.id")


class Invoice(Base):
    __tablename__ = "Invoice"

    id: Mapped[int] = mapped_column("InvoiceId", primary_key=True)
    customer_id: Mapped[int] = mapped_column("CustomerId", ForeignKey("Customer.CustomerId"))
    invoice_date: Mapped[datetime] = mapped_column("InvoiceDate")
    billing_address: Mapped[str | None] = mapped_column("BillingAddress", String(70))
    billing_city: Mapped[str | None] = mapped_column("BillingCity", String(40))
    billing_state: Mapped[str | None] = mapped_column("BillingState", String(40))
    billing_country: Mapped[str | None] = mapped_column("BillingCountry", String(40))
    billing_postal_code: Mapped[str | None] = mapped_column("BillingPostalCode", String(10))
    total: Mapped[float] = mapped_column("Total", Numeric(10, 2, asdecimal=False))

    customer: Mapped[Customer] = relationship(back_populates="invoices")
    lines: Mapped[list[InvoiceLine]] = relationship(
        back_populates="invoice", order_by="InvoiceLine.id"
    )


class InvoiceLine(Base):
    __tablename__ = "InvoiceLine"

    id: Mapped[int] = mapped_column("InvoiceLineId", primary_key=True)
    invoice_id: Mapped[int] = mapped_column("InvoiceId", ForeignKey("Invoice.InvoiceId"))
    track_id: Mapped[int] = mapped_column("TrackId", ForeignKey("Track.TrackId"))
    unit_price: Mapped[float] = mapped_column("UnitPrice", Numeric(10, 2, asdecimal=False))
    quantity: Mapped[int] = mapped_column("Quantity")

    invoice: Mapped[Invoice] = relationship(back_populates="lines")
    track: Mapped[Track] = relationship(back_populates="invoice_lines")
