# SPDX-License-Identifier: MIT
# A pipeline of 200 processes passes 64 MiB (less where run.sh says SCALE) intact: cat after cat, checked by sha256sum at both ends.
make() { dd if=/dev/zero bs=64k count=$((1024 / ${SCALE:-1})) 2>/dev/null | tr '\0' 'x'; }
make | sha256sum
stages='cat'
i=1
while [ $i -lt 198 ]; do
    stages="$stages | cat"
    i=$((i + 1))
done
eval "make | $stages | sha256sum"
echo "status $?"
