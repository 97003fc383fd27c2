"""The portal as an application, for Granian or any other WSGI server."""

import ctypes
import os
import signal

from django.core.wsgi import get_wsgi_application

from portal.chunked import ReadsChunks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Should the server's main process be killed, its workers end too: they would keep memory and
# connections for ever, at a socket that nobody finds any more (prctl(2), PR_SET_PDEATHSIG).
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

application = ReadsChunks(get_wsgi_application())
