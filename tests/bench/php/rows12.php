<?php
require __DIR__ . '/lib.php';
$rows = [];
$result = query(pg_pconnect(''), 'rows12', []);
while ($row = pg_fetch_row($result)) {
    $rows[] = ['id' => (int) $row[0], 'message' => $row[1]];
}
answer($rows);
