<?php
// One connection a child, its statements prepared once: pg_execute of a name that this connection does not know yet
// fails, which happens once in a child's life.
declare(strict_types=1);

const SQL = [
    'row' => 'SELECT id, randomnumber FROM world WHERE id = $1',
    'rows12' => 'SELECT id, message FROM fortune ORDER BY id',
    'rows50' => 'SELECT id, name, category, price, featured, description FROM item WHERE grp = $1 ORDER BY id',
];

function query(\PgSql\Connection $db, string $name, array $params): \PgSql\Result
{
    $result = @pg_execute($db, $name, $params);
    if ($result === false) {
        pg_prepare($db, $name, SQL[$name]);
        $result = pg_execute($db, $name, $params);
    }
    return $result;
}

function answer(mixed $document): void
{
    header('Content-Type: application/json');
    $body = json_encode($document, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    header('Content-Length: ' . strlen($body));
    echo $body;
}
