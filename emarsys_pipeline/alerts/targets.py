"""Where alerts go: a webhook, or people's mail. One function a kind; both say why they failed."""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import requests

from emarsys_pipeline.alerts.alert import Alert
from emarsys_pipeline.settings import EmailTarget, SettingsError, WebhookTarget

TIMEOUT_SECONDS = 10.0


class TargetError(Exception):
    """A target did not take a message; the text says why, without address or secret."""


def send(alert: Alert, target: WebhookTarget | EmailTarget) -> None:
    """Hand one message to one target.

    Raises:
        TargetError: it did not take it; the same message may be sent again.
    """
    try:
        if isinstance(target, WebhookTarget):
            _post(alert, target)
        else:
            _mail(alert, target)
    except SettingsError as error:
        raise TargetError(str(error)) from error
    except (requests.RequestException, OSError, smtplib.SMTPException) as error:
        # Not the error's own text: that of requests holds the address, which may be a secret.
        raise TargetError(f"{target.name} could not be reached: {type(error).__name__}") from None


def _post(alert: Alert, target: WebhookTarget) -> None:
    reply = requests.post(
        target.url.reveal(),
        json=alert.as_dict(),
        # By this a receiver can tell a message that it has got before.
        headers={"Idempotency-Key": alert.alert_id},
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
    )
    if not 200 <= reply.status_code < 300:
        raise TargetError(f"{target.name} answered HTTP {reply.status_code}")


def _mail(alert: Alert, target: EmailTarget) -> None:
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = target.sender
    message["To"] = ", ".join(target.recipients)
    message["Date"] = format_datetime(datetime.fromisoformat(alert.occurred_at))
    message["Message-ID"] = make_msgid(alert.alert_id, domain="emarsys-pipeline.invalid")
    message.set_content(alert.text)
    context = ssl.create_default_context()
    with _connect(target, context) as server:
        if target.security == "starttls":
            server.starttls(context=context)
        if target.username is not None and target.password is not None:
            server.login(target.username.reveal(), target.password.reveal())
        server.send_message(message)


def _connect(target: EmailTarget, context: ssl.SSLContext) -> smtplib.SMTP:
    if target.security == "tls":
        return smtplib.SMTP_SSL(target.host, target.port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(target.host, target.port, timeout=TIMEOUT_SECONDS)
