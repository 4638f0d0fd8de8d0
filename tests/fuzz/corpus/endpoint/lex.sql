-- @route GET /l
/*+ hint /* nested */ */
SELECT E'\' :no', 'it''s :no', U&'\0061', $$ :no $$, $t$ $$ :no $t$, "q:no", a[1:2], a[:lo: :hi], a[i:j],
 ARRAY[:a, [x :b]], x::int, :c::int, f(y := :d), E'a'
 '\':no' -- :no
 , .5, 1..2 FOR NO KEY UPDATE
