"""Tables, migrations and bulk paths of the database."""
