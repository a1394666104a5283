app_name = "control_plane"
urlpatterns = []
