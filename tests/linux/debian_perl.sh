# SPDX-License-Identifier: MIT
# Debian's perl with the modules of perl-base: language, files, processes, signals, sockets.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C
cat > script.pl <<'END'
use strict; use warnings;
use List::Util qw(sum first reduce shuffle max); use POSIX qw(:sys_wait_h floor strftime); use Scalar::Util qw(blessed reftype weaken);
use File::Spec; use Cwd; use IO::Handle; use Fcntl; use Socket; use Getopt::Long; use Text::ParseWords; use File::Temp qw(tempfile);
$| = 1;
print "perl $^V\n" =~ s/v5\.\d+\.\d+/five/r;
my %count; $count{length $_}++ for map { $_ x ($_ % 4) } 1 .. 50; print join(",", map { "$_=$count{$_}" } sort { $a <=> $b } keys %count), "\n";
print sum(1 .. 100), " ", max(3, 9, 2), " ", (reduce { $a * $b } 1 .. 10), " ", first { $_ > 5 } 1 .. 9; print "\n";
my $text = "The year 1999 and 2024"; my @years = $text =~ /(\d{4})/g; print "@years ", $text =~ s/(\d+)/<$1>/gr, "\n";
printf "%.10f %s %05d %x %e\n", atan2(1, 1) * 4, 2 ** 40, 42, 255, 12345.678;
package Animal { sub new { my ($class, %a) = @_; bless {%a}, $class } sub speak { my $s = shift; sprintf "%s says %s", $s->{name}, $s->sound } sub DESTROY { print "gone: $_[0]{name}\n" } }
package Dog { our @ISA = ('Animal'); sub sound { "woof" } }
{ my $dog = Dog->new(name => "Rex"); print $dog->speak, " ", Scalar::Util::blessed($dog), "\n"; }
eval { die { code => 42 } }; print "died with $@->{code}\n"; eval { my $x = 1 / 0; }; print $@ =~ /division/ ? "no division by zero\n" : "odd\n";
open(my $out, '>', 'data') or die; print $out "row $_\n" for 1 .. 1000; close $out; open(my $in, '<', 'data') or die; my $n = 0; while (<$in>) { $n += $1 if /(\d+)/ } close $in; print "$n ", -s 'data', "\n";
my @st = stat 'data'; print "mode ", sprintf('%o', $st[2] & 0777), " links $st[3]\n"; rename 'data', 'data2'; print join(',', sort glob('*2')), "\n"; truncate 'data2', 10; print -s 'data2', "\n"; utime 1000, 2000, 'data2'; print((stat 'data2')[9], "\n"); unlink 'data2';
my $pid = fork // die; if (!$pid) { exit 7 } waitpid $pid, 0; print "child ", $? >> 8, "\n";
print "backticks: ", `echo out; exit 3`, "status ", $? >> 8, "\n"; system('kill -9 $$'); print "signal ", $? & 127, "\n";
pipe(my $r, my $w); if (!($pid = fork)) { close $r; print $w "line $_\n" for 1 .. 3; exit 0 } close $w; my @lines = <$r>; waitpid $pid, 0; print "from a pipe: ", scalar(@lines), " $lines[2]";
local $SIG{USR1} = sub { print "handler\n" }; kill USR1 => $$; local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 10; }; print "ended by $@";
open(my $p, '-|', 'sort -r') // die if 0; open(my $sort, '|-', 'sort', '-r') or die; print $sort "$_\n" for qw(b c a); close $sort;
print strftime('%Y-%m-%d %H:%M:%S', gmtime(86400 * 365)), " ", floor(-1.5), "\n"; my ($fh, $name) = tempfile('tmpXXXX', UNLINK => 1); print -e $name ? "temporary\n" : "none\n"; close $fh;
print join('|', shellwords(q{a "b c" d\ e})), "\n"; my @sorted = sort { $a->[1] <=> $b->[1] or $a->[0] cmp $b->[0] } map { [$_, length] } qw(pear fig apple kiwi); print join(' ', map { $_->[0] } @sorted), "\n";
my $packed = pack('NnCa4', 1, 2, 3, 'abcd'); print unpack('H*', $packed), " ", length $packed, "\n"; my $closure = do { my $c = 10; sub { $c++ } }; $closure->(); print $closure->(), "\n";
my $big = ''; $big .= chr(65 + $_ % 26) for 1 .. 100000; print length $big, " ", ($big =~ tr/A//), " ", index($big, 'XYZ'), "\n"; print join(',', map { sprintf '%d', $_ } sort { $b <=> $a } map { $_ * 7919 % 1009 } 1 .. 5), "\n";
mkdir 'dir'; opendir(my $d, '.'); print join(' ', sort grep { !/^\.|^tmp/ } readdir $d), "\n"; closedir $d; rmdir 'dir'; print "utf8: ", length("\x{263a}ab"), " ", utf8::is_utf8("\x{263a}") ? 1 : 0, "\n";
sysopen(my $f, 'x', O_RDWR | O_CREAT | O_EXCL) or die; syswrite $f, "0123456789"; sysseek $f, 4, 0; sysread $f, my $buffer, 3; print "$buffer\n"; print sysopen(my $g, 'x', O_CREAT | O_EXCL) ? 'opened' : "$!", "\n"; unlink 'x'; END { print "the end\n" }
END
perl script.pl; echo "status $?"
perl -ne 'print if /perl/ && ++$n <= 2' script.pl; printf 'a:1\nb:2\n' | perl -F: -lane 'print $F[1] + 1'; perl -e 'exit 300 & 255'; echo $?; perl -e 'die "dead\n"'; echo $?; perl -e 'kill 15, $$; sleep 5'; echo $?; perl -c -e 'print 1'
rm script.pl
