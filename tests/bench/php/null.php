<?php
http_response_code(204);
header_remove('Content-Type');
