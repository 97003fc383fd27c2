"""What happens later, on a worker."""

from django.core.mail import EmailMultiAlternatives
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from accounts import credentials, limits

# 2, 4, 8, … seconds, at last 18 hours: a day and a half without a mail server loses no mail.
PATIENCE = RetryStrategy(max_attempts=16, exponential_wait=2)


@app.task(name="accounts.send_mail", retry=PATIENCE)
def send_mail(*, to: str, subject: str, text: str, html: str) -> None:
    """Run twice, it sends twice: better than a mail that never comes."""
    message = EmailMultiAlternatives(subject, text, to=[to])
    message.attach_alternative(html, "text/html")
    message.send()


@app.periodic(cron="17 * * * *")
@app.task(name="accounts.purge")
def purge(timestamp: int) -> None:
    """Each hour: what no limit counts and no login remembers any more."""
    limits.purge()
    credentials.purge()
