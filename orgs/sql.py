"""What Django's query sets lack."""

from django.db.models import Subquery, TextField


class Joined(Subquery):
    """The first column of a query, all rows as one text with blanks between: a list inside another statement's row."""

    template = "(SELECT GROUP_CONCAT(joined.text, ' ') FROM (%(subquery)s) joined)"
    output_field = TextField()

    def as_postgresql(self, compiler, connection):
        template = "(SELECT STRING_AGG(joined.text, ' ') FROM (%(subquery)s) joined)"
        return self.as_sql(compiler, connection, template=template)
