\set id random(1, 1000)
update item set score = score + 1 where id = :id;
