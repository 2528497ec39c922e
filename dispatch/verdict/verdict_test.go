package verdict_test

import (
	"bufio"
	_ "embed"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/mail"
)

//go:embed testdata/replies.txt
var replies string

// said is a line of testdata/replies.txt.
type said struct {
	who, host, when, class string
	reply                  mail.Reply
}

func read(t testing.TB) []said {
	t.Helper()
	var out []said
	for line := range strings.Lines(replies) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(strings.TrimSpace(line), " | ", 5)
		if len(f) != 5 {
			t.Fatalf("line of %d columns: %s", len(f), line)
		}
		wire := strings.ReplaceAll(f[4], `\n`, "\r\n") + "\r\n"
		r, err := smtpc.ReadReply(bufio.NewReader(strings.NewReader(wire)))
		if err != nil {
			t.Fatalf("%s: %v", f[4], err)
		}
		out = append(out, said{f[0], f[1], f[2], f[3], r})
	}
	return out
}

func TestRepliesOfRealHostsAreUnderstood(t *testing.T) {
	providers := make(map[string]bool)
	all := read(t)
	for _, s := range all {
		providers[s.who] = true
		v := verdict.Of(&s.reply, true, s.host)
		when := "again"
		if v.Permanent {
			when = "final"
		}
		if v.Class.String() != s.class || when != s.when {
			t.Errorf("%s: %s %s, want %s %s: %s", s.who, when, v.Class, s.when, s.class, s.reply.String())
		}
	}
	if len(all) < 200 || len(providers) < 30 {
		t.Errorf("only %d replies of %d providers", len(all), len(providers))
	}
}
