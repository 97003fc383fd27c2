"""A believable index to look at: `manage.py demo`."""
