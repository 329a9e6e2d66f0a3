# A driver of sessions in Perl: see docs/repl.md. Names live on if they are declared without `my`.
use Fcntl;
use JSON::PP;

# Inputs get an empty standard input, and the ways out are held in case they close theirs.
open my $palisade_in, '<&', \*STDIN;
open my $palisade_out, '>&', \*STDOUT;
open my $palisade_err, '>&', \*STDERR;
open STDIN, '<', '/dev/null';
$| = 1;

# While an input is evaluated, the kernel sends SIGINT when another line comes, which is an interruption.
setpgrp;
fcntl $palisade_in, F_SETOWN, -$$;
fcntl $palisade_in, Fcntl::F_SETSIG(), 2;
sub palisade_listen { fcntl $palisade_in, F_SETFL, $_[0] ? O_ASYNC : 0 }

sub palisade_answer {
    my ($mark, $answer) = @_;
    my $text = encode_json $answer;
    syswrite $palisade_out, $mark . '+' . '0c00' . substr $text, 0, 3072, '' while length $text > 3072;
    syswrite $palisade_out, $mark . '.' . sprintf('%04x', length $text) . $text;
    syswrite $palisade_err, "$mark.0000";
}

my $palisade_pending = '';
while (1) {
    my $palisade_end;
    while (($palisade_end = index $palisade_pending, "\n") < 0) {
        sysread $palisade_in, $palisade_pending, 65536, length $palisade_pending or exit;
    }
    my $palisade_told = decode_json substr $palisade_pending, 0, $palisade_end + 1, '';
    my $palisade_what = $palisade_told->{do};
    if ($palisade_what eq 'check') {
        palisade_answer $palisade_told->{mark}, { incomplete => JSON::PP::false };
    }
    elsif ($palisade_what eq 'run') {
        local $SIG{INT} = sub { die "interrupted\n" };
        palisade_listen 1;
        my $palisade_value = eval $palisade_told->{code};
        my $palisade_error = $@;
        palisade_listen 0;
        palisade_answer $palisade_told->{mark}, $palisade_error
            ? { error => { name => 'error', message => "$palisade_error", trace => "$palisade_error" } }
            : { value => defined $palisade_value ? "$palisade_value" : undef };
    }
}
