<?php
require __DIR__ . '/lib.php';
$db = pg_pconnect('');
$rows = [];
for ($i = 0; $i < 20; $i++) {
    $row = pg_fetch_row(query($db, 'row', [((int) $_GET['id'] - 1 + 479 * $i) % 10000 + 1]));
    $rows[] = ['id' => (int) $row[0], 'randomnumber' => (int) $row[1]];
}
answer($rows);
