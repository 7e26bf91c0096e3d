# Rings of references, which counting never frees.
while (1) {
    for (1 .. 300) { my $ring = {}; $ring->{me} = $ring; $ring->{data} = 'x' x 800; }
    select undef, undef, undef, 0.5;
}
