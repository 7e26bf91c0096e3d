# Works, and keeps nothing.
while (1) { my %pages = map { $_ => 'x' x 200 } 1 .. 2000; select undef, undef, undef, 0.3; }
