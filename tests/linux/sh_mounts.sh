# SPDX-License-Identifier: MIT
# Mounting memory file systems: sizes and what happens when they are full, busy mounts, read-only, nested and bound ones.
mkdir m n && mount -t tmpfs -o size=1m,mode=700 none m && stat -c '%a' m
df -k m | awk 'NR==2{print $2}'
dd if=/dev/zero of=m/fill bs=64k count=100 2>/dev/null; echo "full $?"; wc -c < m/fill
echo more > m/more 2>/dev/null; echo "no room $?"
rm m/fill && echo room > m/more && cat m/more
grep -c " tmpfs " /proc/mounts | grep -c '[1-9]'
(cd m && umount ../m 2>/dev/null; echo "busy $?")
mkdir m/in && mount -t tmpfs none m/in && echo deep > m/in/deep
umount m 2>/dev/null; echo "has a mount in it $?"
rmdir m/in 2>/dev/null; echo "a mount point $?"
mv m/in m/other 2>/dev/null; echo "moving it $?"
ln m/more n/x 2>/dev/null; echo "link across $?"
mv m/more n/moved && cat n/moved
umount m/in && ls m/in && rmdir m/in
mount -o remount,ro m && echo no 2>/dev/null > m/file || echo "read-only"
rm -f m/file; mkdir m/d 2>/dev/null || echo "no mkdir"
mount -o remount,rw m && echo yes > m/file && cat m/file
mount -o bind m n && cat n/file && ls n && umount n && ls n
cd m && umount -l ../m && cat file && cd .. && ls m
umount m 2>/dev/null; echo "not mounted $?"
mount -t nonsense none m 2>/dev/null; echo "unknown type $?"
mount -t proc none m && [ -d m/self ] && echo "proc" && umount m
rmdir m && rm -r n && ls
