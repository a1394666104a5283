from django.db import migrations


def carry_over(apps, schema_editor):
    """How earlier mails went is told by a row of the outbox as well. There is no body to send again."""
    Invitation = apps.get_model("invitations", "Invitation")
    Mail = apps.get_model("mails", "Mail")
    for invitation in Invitation.objects.exclude(delivery="none").select_related("organization"):
        invitation.mail = Mail.objects.create(
            organization=invitation.organization,
            to=invitation.email,
            subject=f"Invitation to {invitation.organization.name}",
            state=invitation.delivery,
            error=invitation.delivery_error,
            attempts=1,
            expires_at=invitation.expires_at,
            settled_at=invitation.sent_at,
        )
        invitation.save(update_fields=["mail"])


def carry_back(apps, schema_editor):
    Invitation = apps.get_model("invitations", "Invitation")
    for state in ("sent", "failed"):
        rows = Invitation.objects.filter(mail__state=state)
        for invitation in rows.select_related("mail"):
            invitation.delivery, invitation.delivery_error = state, invitation.mail.error
            invitation.save(update_fields=["delivery", "delivery_error"])


class Migration(migrations.Migration):
    dependencies = [("invitations", "0002_mail")]

    operations = [migrations.RunPython(carry_over, carry_back)]
