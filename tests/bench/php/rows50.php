<?php
require __DIR__ . '/lib.php';
$rows = [];
$result = query(pg_pconnect(''), 'rows50', [(int) $_GET['grp']]);
while ($r = pg_fetch_row($result)) {
    $rows[] = ['id' => (int) $r[0], 'name' => $r[1], 'category' => $r[2], 'price' => (int) $r[3],
        'featured' => $r[4] === 't', 'description' => $r[5]];
}
answer($rows);
