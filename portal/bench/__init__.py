"""Measures a whole index that is started for it: `manage.py bench`."""
