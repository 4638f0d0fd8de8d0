<?php
require __DIR__ . '/lib.php';
$row = pg_fetch_row(query(pg_pconnect(''), 'row', [(int) $_GET['id']]));
answer(['id' => (int) $row[0], 'randomnumber' => (int) $row[1]]);
