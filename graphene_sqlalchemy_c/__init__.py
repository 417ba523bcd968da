"""C-accelerated graphene-sqlalchemy."""
