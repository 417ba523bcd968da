"""Models with one attribute of every kind that the converter knows."""

import enum

import sqlalchemy as sa
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    backref,
    column_property,
    composite,
    deferred,
    relationship,
    synonym,
)


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = "r"
    light_blue = "b"


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __composite_values__(self) -> tuple[int, int]:
        return self.x, self.y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)


membership = sa.Table(
    "membership",
    Base.metadata,
    sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("club_id", sa.ForeignKey("club.id"), primary_key=True),
)


class Club(Base):
    __tablename__ = "club"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20), nullable=False, doc="What it is called.")


class Passport(Base):
    __tablename__ = "passport"
    id = sa.Column(sa.Integer, primary_key=True)
    number = sa.Column(sa.String)
    person_id = sa.Column(sa.ForeignKey("person.id"))


class Pet(Base):
    __tablename__ = "pet"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String)
    owner_id = sa.Column(sa.ForeignKey("person.id"))
    owner = relationship("Person", backref=backref("pets", order_by="Pet.name"))
    owner_name = association_proxy("owner", "name")


class Person(Base):
    __tablename__ = "person"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String, nullable=False, doc="Full name.")
    colour = sa.Column(sa.Enum(Colour))
    size = sa.Column(sa.Enum("small", "large", name="size_kind"))
    x = sa.Column(sa.Integer)
    y = sa.Column(sa.Integer)
    essay = deferred(sa.Column(sa.Text))
    boss_id = sa.Column(sa.ForeignKey("person.id"))
    shout = column_property(sa.func.upper(name, type_=sa.String), doc="Loud.")
    place = composite(Point, x, y)
    called = synonym("name")

    boss = relationship("Person", remote_side=[id], back_populates="staff")
    staff = relationship("Person", back_populates="boss")
    clubs = relationship(Club, secondary=membership, backref="members")
    passport = relationship(Passport, uselist=False, backref="person")
    live_pets = relationship(Pet, lazy="dynamic", viewonly=True)
    some_pets = relationship(Pet, lazy="write_only", viewonly=True)
    strict_pets = relationship(Pet, lazy="raise", viewonly=True)

    club_names = association_proxy("clubs", "name")
    staff_pets = association_proxy("staff", "pets")
    staff_places = association_proxy("staff", "place")
    passport_number = association_proxy("passport", "number")

    @hybrid_property
    def initial(self) -> str:
        """The first letter."""
        return self.name[:1]

    @hybrid_property
    def untyped(self):
        return 1

    @hybrid_property
    def relatives(self) -> list["Person"]:
        return []

    @hybrid_property
    def best_friend(self) -> "Person | None":
        return None

    @hybrid_property
    def lucky_numbers(self) -> list[int]:
        return [7]


class Vehicle(Base):
    __tablename__ = "vehicle"
    id = sa.Column(sa.Integer, primary_key=True)
    kind = sa.Column(sa.String)
    wheels = sa.Column(sa.Integer)
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "vehicle"}  # noqa: RUF012


class Car(Vehicle):
    __mapper_args__ = {"polymorphic_identity": "car"}  # noqa: RUF012


sa.orm.configure_mappers()
