from zenpro_site.settings import *

ROOT_URLCONF = "benchmarks.site.urls"
