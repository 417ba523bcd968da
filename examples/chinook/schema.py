"""The music shop's GraphQL schema, written with graphene-sqlalchemy alone.

Nothing here knows of graphene_sqlalchemy_c; demo.py adds its one line before importing this file.
The root resolvers return what `session.scalars` gives, so one schema serves a Session and an
AsyncSession.
"""

import graphene
import models
from graphene import relay
from graphene_sqlalchemy import SQLAlchemyConnectionField, SQLAlchemyObjectType
from sqlalchemy import select


class Artist(SQLAlchemyObjectType):
    class Meta:
        model = models.Artist


class Album(SQLAlchemyObjectType):
    class Meta:
        model = models.Album


class Genre(SQLAlchemyObjectType):
    class Meta:
        model = models.Genre


class MediaType(SQLAlchemyObjectType):
    class Meta:
        model = models.MediaType


class Track(SQLAlchemyObjectType):
    class Meta:
        model = models.Track


class Playlist(SQLAlchemyObjectType):
    class Meta:
        model = models.Playlist


class Employee(SQLAlchemyObjectType):
    class Meta:
        model = models.Employee


class Customer(SQLAlchemyObjectType):
    class Meta:
        model = models.Customer
        interfaces = (relay.Node,)


class Invoice(SQLAlchemyObjectType):
    class Meta:
        model = models.Invoice
        interfaces = (relay.Node,)


class InvoiceLine(SQLAlchemyObjectType):
    class Meta:
        model = models.InvoiceLine


class Query(graphene.ObjectType):
    node = relay.Node.Field()
    artists = graphene.List(graphene.NonNull(Artist), required=True)
    tracks = graphene.List(graphene.NonNull(Track), first=graphene.Int(), required=True)
    playlists = graphene.List(graphene.NonNull(Playlist), required=True)
    employees = graphene.List(graphene.NonNull(Employee), required=True)
    # graphene-sqlalchemy alone cannot build filters that reach a plain list (Employee.reports).
    customers = SQLAlchemyConnectionField(Customer.connection, filter=None)

    def resolve_artists(root, info):
        return info.context["session"].scalars(select(models.Artist).order_by(models.Artist.id))

    def resolve_tracks(root, info, first=None):
        statement = select(models.Track).order_by(models.Track.id).limit(first)
        return info.context["session"].scalars(statement)

    def resolve_playlists(root, info):
        return info.context["session"].scalars(select(models.Playlist).order_by(models.Playlist.id))

    def resolve_employees(root, info):
        return info.context["session"].scalars(select(models.Employee).order_by(models.Employee.id))


schema = graphene.Schema(query=Query)
