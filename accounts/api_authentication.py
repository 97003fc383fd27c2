from rest_framework.authentication import BaseAuthentication


class AccessTokenAuthentication(BaseAuthentication):
    def authenticate(self, request):
        return None
