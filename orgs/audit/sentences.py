"""One sentence for every kind of event. A guard test compares this list with what the code records."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from html import unescape
from string import Formatter

from django.utils.html import format_html, format_html_join, strip_tags
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from zenpro_site.common.names import without_odd

from .models import AuditEvent

# {actor}, {target}, {before.x} and {after.x} are filled from the event.
SENTENCES = {
    "audit.exported": "{actor} exported the audit log as {after.form}",
    "access.refused": "{actor} was refused: {after.right} in {target}",
    "organization.created": "{actor} created organization {target}",
    "organization.updated": "{actor} changed the name or description of {target}",
    "organization.seeded": "{actor} filled {target} with {after.members} sample members and {after.tenants} sample tenants",
    "organization.two_factor_required": "{actor} made two-factor sign-in required in {target}",
    "organization.two_factor_optional": "{actor} made two-factor sign-in optional in {target}",
    "organization.package_builds_allowed": "{actor} allowed packages to be built from source in {target}",
    "organization.package_builds_ended": "{actor} stopped allowing packages to be built from source in {target}",
    "organization.home_changed": "{actor} changed the home of new tenants in {target} from {before.home} to {after.home}",
    "organization.deleted": "{actor} deleted organization {target}",
    "member.added": "{actor} added {target} as {after.role}",
    "member.role_changed": "{actor} changed the role of {target} from {before.role} to {after.role}",
    "member.removed": "{actor} removed {target}",
    "member.joined": "{actor} joined as {after.role} with an address at {after.domain}",
    "member.exported": "{actor} exported the members of {target}",
    "member.left": "{actor} left the organization",
    "invitation.sent": "{actor} invited {target} as {after.role}",
    "invitation.renewed": "{actor} renewed the invitation for {target}",
    "invitation.mail_retried": "{actor} resent the email to {target}",
    "invitation.revoked": "{actor} revoked the invitation for {target}",
    "invitation.accepted": "{actor} accepted the invitation as {after.role}",
    "person.registered": "{actor} created an account with {after.through}",
    "person.connected": "{actor} signed in with {after.through} for the first time",
    "person.created": "{actor} created an account for {target}",
    "person.changed": "{actor} changed the account of {target}",
    "person.password_set": "{actor} set a new password for {target}",
    "person.link_made": "{actor} created a sign-in link for {target} on the command line",
    "person.renamed": "{actor} changed the name of {before.name} to {after.name}",
    "person.password_changed": "{actor} changed their password",
    "person.password_chosen": "{actor} set a password",
    "person.password_reset": "{actor} reset their password by email",
    "person.email_confirmed": "{actor} confirmed their address {after.email}",
    "person.email_changed": "{actor} changed their address from {before.email} to {after.email}",
    "two_factor.app_added": "{actor} set up an authenticator app",
    "two_factor.app_removed": "{actor} removed their authenticator app",
    "two_factor.passkey_added": "{actor} added the passkey {after.passkey}",
    "two_factor.passkey_removed": "{actor} removed the passkey {before.passkey}",
    "two_factor.passkey_renamed": "{actor} renamed the passkey {before.passkey} to {after.passkey}",
    "two_factor.taken_away": "{actor} removed the {before.factor} of {target}",
    "two_factor.codes_made": "{actor} created new recovery codes",
    "person.session_ended": "{actor} signed out {before.browser}",
    "person.signed_out_everywhere": "{actor} signed out everywhere else",
    "person.webhook_set": "{actor} set their webhook to {after.host}",
    "person.webhook_secret_replaced": "{actor} made a new secret for their webhook",
    "person.webhook_tested": "{actor} sent a test to their webhook: {after.answer}",
    "person.webhook_removed": "{actor} removed their webhook",
    "person.deactivated": "{actor} deactivated {target}",
    "domain.added": "{actor} started automatic membership for {target}: {after.role}",
    "domain.changed": "{actor} changed the role for automatic membership of {target} from {before.role} to {after.role}",
    "domain.removed": "{actor} stopped automatic membership for {target}",
    "team.created": "{actor} created team {target}",
    "team.updated": "{actor} changed team {target}",
    "team.deleted": "{actor} deleted team {target}",
    "team.member_added": "{actor} added {after.member} to team {target}",
    "team.maintainer_added": "{actor} made {after.member} a maintainer of team {target}",
    "team.maintainer_removed": "{actor} removed {before.member} as maintainer of team {target}",
    "team.member_removed": "{actor} removed {before.member} from team {target}",
    "role.created": "{actor} created the role {target}",
    "role.updated": "{actor} changed the name or description of the role {target}",
    "role.rights_changed": "{actor} changed the rights of the role {target}",
    "role.deleted": "{actor} deleted the role {target}",
    "tenant.created": "{actor} created tenant {target}",
    "tenant.updated": "{actor} changed tenant {target}",
    "tenant.activated": "{actor} reactivated tenant {target}",
    "tenant.deactivated": "{actor} deactivated tenant {target}",
    "tenant.restart_requested": "{actor} restarted tenant {target}",
    "tenant.upgraded": "{actor} upgraded tenant {target} from ZenML {before.version} to {after.version}",
    "tenant.packages_added": "{actor} added packages for {after.store} to the server of tenant {target}",
    "tenant.packages_removed": "{actor} removed packages for {before.store} from the server of tenant {target}",
    "tenant.retried": "{actor} tried again to start tenant {target}",
    "tenant.move_asked": "{actor} asked for tenant {target} to be moved from {before.home} to {after.home}",
    "tenant.moved": "Tenant {target} moved from {before.home} to {after.home}",
    "tenant.move_failed": "Moving tenant {target} to {after.home} failed: {after.reason}",
    "tenant.deleted": "{actor} deleted tenant {target}",
    "tenant.joined": "{actor} took the role {after.role} on tenant {target}",
    "grant.given": "{actor} assigned {after.holder} the role {after.role} on tenant {target}",
    "grant.extended": "{actor} changed when the role {after.role} of {after.holder} on tenant {target} expires: {after.until}",
    "grant.changed": "{actor} changed the roles of {after.holder} on tenant {target} from {before.roles} to {after.roles}",
    "grant.withdrawn": "{actor} removed the role {before.role} on tenant {target} from {before.holder}",
    "tenant.address_changed": "{actor} changed the server of tenant {target} to {after.address}, ZenML {after.version}",
    "tenant.share_changed": "The server of {target} reports that {actor} shared {after.resource} with {after.with}",
    "tenant.share_ended": "Sharing of {before.resource} in {target} ended because it was deleted",
    "quota.changed": "{actor} changed the limits of {target}",
    "tenant.disk_changed": "{actor} changed the disk space of tenant {target} from {before.limit} to {after.limit}",
    "template.created": "{actor} created template {target} from run {after.source_run_name}",
    "template.prepared": "{actor} prepared run {target} to run again with code {after.code}",
    "template.prepared_as_recorded": "{actor} prepared run {target} to run again with the code it was recorded with",
    "template.listed": "{actor} saved {target} as a template",
    "template.updated": "{actor} changed template {target}",
    "template.default_changed": "{actor} changed the default values of template {target}",
    "template.rules_changed": "{actor} changed who may change what in template {target}",
    "template.runners_changed": "{actor} let {after.who} run template {target}",
    "template.deleted": "{actor} deleted template {target}",
    "template.code_changed": "{actor} changed the code of template {target} to {after.code}",
    "template.code_as_recorded": "{actor} let template {target} run with the code it was recorded with",
    "template.webhook_set": "{actor} set the webhook of template {target} to {after.host}",
    "template.webhook_secret_replaced": "{actor} made a new secret for the webhook of template {target}",
    "template.webhook_tested": "{actor} sent a test to the webhook of template {target}: {after.answer}",
    "template.webhook_removed": "{actor} removed the webhook of template {target}",
    "preset.saved": "{actor} saved preset {after.preset} of template {target}",
    "preset.replaced": "{actor} replaced the values of preset {after.preset} of template {target}",
    "preset.renamed": "{actor} changed preset {after.preset} of template {target}",
    "preset.deleted": "{actor} deleted preset {before.preset} of template {target}",
    "code.push_allowed": "{actor} made a command that pushes code of pipeline {after.pipeline} to {target} until {after.until}",
    "code.added": "{actor} added code v{after.number} of pipeline {after.pipeline} from {after.origin}",
    "code.laid_out": "{actor} changed where code v{after.number} of pipeline {after.pipeline} is started",
    "code.tried": "{actor} tried code v{after.number} of pipeline {after.pipeline}",
    "git_access.token_kept": "{actor} gave {target} a token for {after.address}",
    "git_access.token_replaced": "{actor} replaced the token of {target} for {after.address}",
    "git_access.key_made": "{actor} made a deploy key of {target} for {after.address}",
    "git_access.host_confirmed": "{actor} confirmed the key of the host of {after.address} for {target}: {after.host}",
    "git_access.host_read": "{actor} read the key of the host of {after.address} again for {target}: {after.host}",
    "git_access.removed": "{actor} removed what {target} kept to open {before.address}",
    "run.stop_asked": "{actor} asked {target} to stop run {after.run}",
    "run.tagged": "{actor} changed the tags of run {after.run} in {target}",
    "template_run.queued": "{actor} ran template {target}",
    "template_run.continued": "{actor} continued {after.continues} from {after.from} as {target}",
    "template_run.cancelled": "{actor} stopped {target}",
    "template_run.given_up": "{actor} ended {target} without waiting for its stack",
    "template_run.undone": "{actor} undid {target} before it started",
    "template_run.stopped": "{target} was stopped: {after.reason}",
    "device.approved": "{actor} let the computer {after.computer} act on their behalf",
    "device.denied": "{actor} denied the computer {after.computer}",
    "token.shown_elsewhere": "A sign-in of {after.account} was ended: the server of {target}, which someone else runs, had received it",
    "device.signed_out": "{actor} signed out the computer {before.computer}",
    "service_account.created": "{actor} created the service account {target}",
    "service_account.deactivated": "{actor} deactivated the service account {target}",
    "service_account.activated": "{actor} reactivated the service account {target}",
    "api_key.created": "{actor} created the key {target} for {after.account}",
    "api_key.rotated": "{actor} rotated the key {target} of {after.account}",
    "api_key.revoked": "{actor} revoked the key {target} of {before.account}",
    "grant.expired": "The role {before.role} of {before.holder} on {target} expired",
}
ICONS = {
    "audit": "download",
    "access": "ban",
    "organization": "building-2",
    "member": "user-round",
    "person": "user-round",
    "domain": "globe",
    "two_factor": "key-round",
    "team": "users-round",
    "invitation": "mail",
    "tenant": "server",
    "quota": "gauge",
    "template": "layout-template",
    "run": "tag",
    "template_run": "play",
    "grant": "shield-check",
    "role": "shield-check",
    "git_access": "key-round",
    "device": "terminal",
    "service_account": "bot",
    "api_key": "key-round",
}
GAIN = ("created", "added", "given", "joined", "accepted", "activated")
LOSS = ("deleted", "removed", "withdrawn", "revoked", "left", "expired", "deactivated")


@dataclass(frozen=True)
class ChangedValue:
    name: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Told:
    """An event as a page shows it."""

    event: AuditEvent
    sentence: SafeString
    icon: str
    tone: str
    tenant: str
    changes: list[ChangedValue]

    @property
    def day(self) -> date:
        return localtime(self.event.at).date()


def words_of(action: str) -> str:
    """ "team.member_added" -> "Team member added", for choosing an action."""
    return action.replace(".", " ").replace("_", " ").capitalize()


def told(events: Iterable[AuditEvent]) -> list[Told]:
    """The events with sentence, icon and changed fields; no queries besides that for the events."""
    return [
        Told(event, tell(event), icon_of(event), tone_of(event), _tenant(event), changes_of(event))
        for event in events
    ]


def plain(event: AuditEvent) -> str:
    """The sentence without markup, for files."""
    return without_odd(unescape(strip_tags(tell(event))))


def tell(event: AuditEvent) -> SafeString:
    """The event as one sentence, names in bold. An action without a sentence is told by its own words."""
    words = event.action.partition(".")[2].replace("_", " ") or event.action
    sentence = SENTENCES.get(event.action, "{actor}: " + words + " {target}")
    parts = Formatter().parse(sentence)
    return format_html_join("", "{}{}", ((literal, _bold(event, field)) for literal, field, _, _ in parts))


def _bold(event: AuditEvent, field: str | None):
    if not field:
        return ""
    if field == "actor":
        return format_html("<b><bdi>{}</bdi></b>", event.actor_label)
    if field == "target":
        return format_html("<b><bdi>{}</bdi></b>", _target(event))
    side, _, key = field.partition(".")
    return format_html("<b><bdi>{}</bdi></b>", _word(key, getattr(event, side).get(key)))


def _target(event: AuditEvent) -> str:
    """A membership is called "Dana in Acme AI"; within Acme AI that is Dana."""
    label = event.target_label
    return label.rpartition(" in ")[0] or label if event.target_type == "membership" else label


def _word(key: str, value) -> str:
    """A stored value as people read it; roles are stored by slug."""
    if value in (None, "", [], {}):
        return "none" if key == "role" else "–"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_word('', inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_word("", inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "right":
        return _right(str(value))
    return str(value).capitalize() if key == "role" else str(value)


def _right(name: str) -> str:
    """ "team:manage" and "manage_access" -> "manage team", "manage access"."""
    resource, _, action = name.rpartition(":")
    return f"{action} {resource}".strip().replace("_", " ")


def changes_of(event: AuditEvent) -> list[ChangedValue]:
    """Every stored field with its value before and after, in the order they were recorded."""
    names = dict.fromkeys([*event.before, *event.after])
    return [
        ChangedValue(
            name.replace("_", " "), _word(name, event.before.get(name)), _word(name, event.after.get(name))
        )
        for name in names
    ]


def icon_of(event: AuditEvent) -> str:
    """Icon of what the event is about; a clock for what expired."""
    noun, _, verb = event.action.partition(".")
    return "clock" if verb == "expired" else ICONS.get(noun, "history")


def tone_of(event: AuditEvent) -> str:
    """Tone class of the icon: bad for refusals, ok for what is new, off for what has ended."""
    if event.outcome == AuditEvent.Outcome.REFUSED:
        return "bad"
    verb = event.action.rpartition(".")[2].rpartition("_")[2]
    return "ok" if verb in GAIN else "off" if verb in LOSS else "run"


def _tenant(event: AuditEvent) -> str:
    if event.target_type == "tenant":
        return event.target_label
    return str(event.after.get("tenant") or event.before.get("tenant") or "")
