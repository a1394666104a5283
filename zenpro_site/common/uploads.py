"""How much a request may bring along, decided before any of it is on the disk."""

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

LARGEST = 5 * 1024**2  # bytes of a form with its files
LARGEST_CODE = 100 * 1024**2  # more than an archive may have, so that its form can say so at the field


class BoundedUpload(FileUploadHandler):
    """The first of the upload handlers; what fits is left to those after it."""

    def handle_raw_input(self, input_data, META, content_length, boundary, encoding=None):
        brings_code = self.request.path_info.endswith("/code/")
        if content_length > (LARGEST_CODE if brings_code else LARGEST):
            raise RequestDataTooBig("The files of this request are too large.")

    def receive_data_chunk(self, raw_data, start):
        return raw_data

    def file_complete(self, file_size):
        return None
