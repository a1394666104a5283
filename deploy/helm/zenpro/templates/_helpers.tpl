{{- define "zenpro.name" -}}
{{- if contains "zenpro" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-zenpro" (.Release.Name | trunc 33 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "zenpro.selector" -}}
app.kubernetes.io/name: zenpro
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "zenpro.labels" -}}
{{ include "zenpro.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "zenpro.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Satisfies the Pod Security Standard "restricted". */}}
{{- define "zenpro.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What all pods have in common. The list: the root, whether the pod calls the cluster, and the Secret with which it calls
another one. */}}
{{- define "zenpro.pod" -}}
{{- $ := index . 0 -}}
automountServiceAccountToken: {{ and (index . 1) (empty $.Values.tenants.kubeconfig.existingSecret) }}
enableServiceLinks: false
securityContext:
  {{- include "zenpro.podSecurity" $ | nindent 2 }}
{{- with $.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
volumes:
  - name: data
    {{- if $.Values.data.existingClaim }}
    persistentVolumeClaim: {claimName: {{ $.Values.data.existingClaim }}}
    {{- else }}
    emptyDir: {sizeLimit: {{ $.Values.data.sizeLimit }}}
    {{- end }}
  - name: tmp
    emptyDir: {}
  {{- with index . 2 }}
  - name: kubeconfig
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
  {{- with $.Values.files.existingSecret }}
  - name: files
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
{{- end }}

{{/* What all containers have in common. */}}
{{- define "zenpro.container" -}}
{{ include "zenpro.containerWith" (list . "") }}
{{- end }}

{{/* The list: the root, and the Secret with which its program calls another cluster. */}}
{{- define "zenpro.containerWith" -}}
{{- $kubeconfig := index . 1 }}
{{- with index . 0 -}}
image: {{ include "zenpro.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
env:
  {{- include "zenpro.env" . | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /zenpro}
  - {name: tmp, mountPath: /tmp}
  {{- if $kubeconfig }}
  - {name: kubeconfig, mountPath: /kubeconfig, readOnly: true}
  {{- end }}
  {{- if .Values.files.existingSecret }}
  - {name: files, mountPath: /files, readOnly: true}
  {{- end }}
{{- end }}
{{- end }}

{{/* No pod works with a database that a Job is still migrating. */}}
{{- define "zenpro.waits" -}}
initContainers:
  - name: wait-for-migrations
    args: [migrate, --wait, "600"]
    {{- include "zenpro.container" . | nindent 4 }}
    resources: {{ toJson .Values.migrate.resources }}
{{- end }}

{{- define "zenpro.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "zenpro.selector" (index . 0) | nindent 8 }}
        app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "zenpro.variable" }}
{{- if index . 1 }}
- {name: {{ index . 0 }}, value: {{ index . 1 | toString | quote }}}
{{- end }}
{{- end }}

{{/* A value of `settings`, also 0 and false. Large numbers would come as 2e+06. */}}
{{- define "zenpro.plain" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}

{{/* The list: variable, Secret, its key. */}}
{{- define "zenpro.secret" }}
{{- if index . 1 }}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}
{{- end }}
{{- end }}

{{- define "zenpro.env" -}}
{{- $v := .Values }}
{{- $t := $v.tenants -}}
- {name: ZENPRO_DATA, value: /zenpro/data}
- {name: ZENPRO_LOCAL_TENANTS, value: "0"}
{{- include "zenpro.variable" (list "ZENPRO_URL" $v.url) }}
{{- include "zenpro.variable" (list "ZENPRO_API_URL" $v.apiUrl) }}
{{- include "zenpro.variable" (list "ZENPRO_PROXIES" (toString $v.proxies)) }}
{{- include "zenpro.variable" (list "ZENPRO_ADMIN_EMAIL" $v.adminEmail) }}
{{- include "zenpro.variable" (list "ZENPRO_ISOLATION" $v.agent.isolation) }}
{{- include "zenpro.secret" (list "ZENPRO_SECRET_KEY" $v.keys.existingSecret "ZENPRO_SECRET_KEY") }}
{{- include "zenpro.secret" (list "ZENPRO_SECRET_KEYS" $v.keys.existingSecret "ZENPRO_SECRET_KEYS") }}
{{- include "zenpro.secret" (list "DATABASE_URL" $v.database.existingSecret $v.database.key) }}
{{- include "zenpro.secret" (list "EMAIL_URL" $v.email.existingSecret $v.email.key) }}
{{- include "zenpro.variable" (list "ZENPRO_MAIL_FROM" $v.email.from) }}
{{- if $v.oidc.issuer }}
{{- include "zenpro.variable" (list "ZENPRO_OIDC_ISSUER" $v.oidc.issuer) }}
{{- include "zenpro.variable" (list "ZENPRO_OIDC_CLIENT_ID" $v.oidc.clientId) }}
{{- include "zenpro.secret" (list "ZENPRO_OIDC_CLIENT_SECRET" $v.oidc.existingSecret $v.oidc.key) }}
{{- include "zenpro.variable" (list "ZENPRO_OIDC_NAME" $v.oidc.name) }}
{{- include "zenpro.variable" (list "ZENPRO_OIDC_ONLY" (toString $v.oidc.only)) }}
{{- end }}
{{- if $v.storage.bucket }}
{{- include "zenpro.variable" (list "ZENPRO_STORAGE" $v.storage.bucket) }}
{{- include "zenpro.variable" (list "ZENPRO_STORAGE_ENDPOINT" $v.storage.endpoint) }}
{{- include "zenpro.variable" (list "ZENPRO_STORAGE_REGION" $v.storage.region) }}
{{- include "zenpro.secret" (list "AWS_ACCESS_KEY_ID" $v.storage.existingSecret "AWS_ACCESS_KEY_ID") }}
{{- include "zenpro.secret" (list "AWS_SECRET_ACCESS_KEY" $v.storage.existingSecret "AWS_SECRET_ACCESS_KEY") }}
{{- end }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES" (ternary "/kubeconfig/config" "in-cluster" (not (empty $t.kubeconfig.existingSecret)))) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_CONTEXT" $t.kubeconfig.context) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_NAMESPACE" $t.namespace) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_URL" $t.url) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_IMAGE" $t.image) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_PULL_SECRET" $t.pullSecret) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_INGRESS_CLASS" $t.ingressClass) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_TLS_SECRET" $t.tlsSecret) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_STORAGE_CLASS" $t.storageClass) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_STORAGE" $t.storage) }}
{{- if $t.callers }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_CALLERS" (append $t.callers .Release.Namespace | uniq | join ",")) }}
{{- end }}
{{- include "zenpro.secret" (list "ZENPRO_KUBERNETES_DATABASE" $t.database.existingSecret $t.database.key) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_DATABASE_POD_HOST" $t.database.podHost) }}
{{- if $v.runs.asJobs }}
{{- include "zenpro.variable" (list "ZENPRO_RUNS" "kubernetes") }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_RUNS_NAMESPACE" $v.runs.namespace) }}
{{- include "zenpro.variable" (list "ZENPRO_KUBERNETES_RUN_IMAGE" $v.runs.image) }}
{{- end }}
{{- range $name, $value := $v.settings }}
- {name: {{ $name }}, value: {{ include "zenpro.plain" $value | quote }}}
{{- end }}
{{- end }}
