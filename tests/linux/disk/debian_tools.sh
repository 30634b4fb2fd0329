# SPDX-License-Identifier: MIT
# lua5.4, tar, xz, less, find, diff on a tree of files.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C
lua5.4 -e 'print(6 * 7, #"four", 7 // 2, 1 / 3, math.type(3.0))'
cat > t.lua <<'END'
local words = {}
for line in io.lines(arg[1]) do
    for word in line:gmatch("%a+") do words[word] = (words[word] or 0) + 1 end
end
local names = {}
for name in pairs(words) do names[#names + 1] = name end
table.sort(names, function(a, b) return words[a] > words[b] or words[a] == words[b] and a < b end)
for i = 1, 5 do print(names[i], words[names[i]]) end
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
print(co(), co(), co())
print(pcall(error, {code = 2}))
print(select(2, pcall(function() local x = nil; return x.y end)))
local f = assert(io.open("out.txt", "w")); f:write(("line\n"):rep(1000)); f:close()
f = io.open("out.txt"); f:seek("set", 2500); print(f:read("l"), f:seek("cur")); f:close()
print(os.rename("out.txt", "moved.txt"), os.remove("moved.txt"), os.remove("moved.txt"))
print(string.format("%5.2f|%-6s|%x|%q", math.pi, "ab", 255, "a\nb"), string.pack("<i4", 7):byte(1, -1))
os.exit(5)
END
i=0; while [ $i -lt 300 ]; do echo "the quick brown fox number $i jumps over the lazy dog"; i=$((i + 1)); done > text
lua5.4 t.lua text 2>&1 | sed 's/table: 0x[0-9a-f]*/table/'; echo "${PIPESTATUS[0]}"
mkdir -p tree/a/b/c tree/d; for f in tree/one tree/a/two tree/a/b/three tree/a/b/c/four tree/d/five; do head -c $(( ${#f} * 1000 )) text > $f; done
ln -s ../one tree/a/link; ln tree/one tree/d/hard; chmod 640 tree/a/two; touch -d '2001-02-03 04:05:06 UTC' tree/d/five; mkfifo tree/pipe; : > 'tree/with space'
find tree | sort; find tree -type f -size +10k | sort; find tree -name 't*' -o -type l | sort; find tree -newer text -name five; find tree ! -newer tree/d/five -type f
find tree -type f -links 2 | sort; find tree -perm 640; find tree -depth -mindepth 3 | sort; find tree -type f -print0 | sort -z | xargs -0 sha256sum; find tree -name '*o*' -exec echo found {} + | tr ' ' '\n' | sort; find tree -type f -printf '%f %s %m %n\n' | sort; find nowhere; echo $?
for how in '' z J; do
    tar c${how}f tree.tar --sort=name --mtime='2020-01-01 UTC' --owner=0 --group=0 --numeric-owner tree && tar t${how}f tree.tar && mkdir to && tar x${how}f tree.tar -C to && diff -r --no-dereference -x pipe tree to/tree && echo same
    tar xOf tree.tar tree/a/two | sha256sum; rm -r to
done
tar tvf tree.tar --full-time | head -n 3; tar xf nowhere.tar 2>&1; echo $?
xz -k -6 text && xz -l text.xz | tail -n 1 | tr -s ' ' | cut -d' ' -f 2-3; xz -dc text.xz | cmp - text && echo identical; xz -t text.xz; echo $?; head -c 100 text.xz > cut.xz; xz -t cut.xz; echo $?; xzcat text.xz | wc; unxz text.xz 2>&1; rm text; unxz text.xz; wc -c text
sed 's/fox number 7 /cat number seven /; 20d' text > other; diff text other; echo $?; diff -u0 text other | tail -n +3; diff -q text other; diff -y -W 60 --suppress-common-lines text other | head; diff text text && echo equal; echo x > tree/a/new; mkdir q; cp -r tree/a tree/d q; rm q/a/new; diff -rq tree q | sort; cmp text other; printf '1\n2\n' | diff - <(printf '1\n3\n'); diff3 text other text | head -n 4; sdiff -s -w 40 text other | head -n 2
less text | tail -n 1; less -N text | head -n 1 | cut -c 1-8; printf 'piped\n' | less; less nowhere; echo $?; LESSOPEN='|cat %s' less -FX t.lua | wc -l
rm -rf tree q text other t.lua tree.tar cut.xz
