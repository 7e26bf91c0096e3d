create table t(a,b); insert into t with recursive c(x) as (select 1 union all select x+1 from c where x<20000) select x, hex(randomblob(50)) from c;
