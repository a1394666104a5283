"""The second factor at sign-in: authenticator apps, passkeys, recovery codes. allauth does the work, this is how."""

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from qrcode import QRCode

from .sessions import browser_of


def factors_of(person) -> dict[int, tuple[str, str]]:
    """What the person has, recovery codes too: key -> type and name."""
    return {row.pk: (row.type, str(row)) for row in Authenticator.objects.filter(user_id=person.pk)}


class Adapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code is wrong or has already been used. Wait for the next one.",
    }

    def get_totp_issuer(self) -> str:
        return "ZenPro"

    def build_totp_svg(self, url: str) -> SafeString:
        """The code as one path: the page shows it without style attributes or data URLs."""
        code = QRCode(border=0)
        code.add_data(url)
        rows = code.get_matrix()
        dots = "".join(
            f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
        )
        size = len(rows)
        return format_html(
            '<svg class="qr" viewBox="-4 -4 {0} {0}" role="img" aria-label="QR code of the key below"><path d="{1}"/></svg>',
            size + 8,
            dots,
        )

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _fernet().decrypt(encrypted_text.encode()).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "ZenPro"}

    def generate_authenticator_name(self, user, type) -> str:
        """Where it was made: "Chrome on Linux"."""
        return browser_of(context.request.headers.get("User-Agent", ""))


def _fernet() -> MultiFernet:
    """A copy of the database alone must not be enough to make codes."""
    return MultiFernet([Fernet(key) for key in settings.ZENPRO_SECRET_KEYS])
