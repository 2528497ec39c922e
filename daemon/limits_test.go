package daemon_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

const limitsPage = "../docs/howto/limits.md"

// TestEachTemporaryReplyNamesItsLimit walks all replies in the source that ask for
// patience. Each has a row in the documentation that names a limit, or says why
// there is none; and each limit has a row that says by what it is set.
func TestEachTemporaryReplyNamesItsLimit(t *testing.T) {
	text, err := os.ReadFile(limitsPage)
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, name := range mail.Limits() {
		known[string(name)] = true
	}
	names := regexp.MustCompile("`([a-z0-9_]+)`")
	row := regexp.MustCompile(`(?m)^\| (.*?) \| (.*?) \|`)
	rows := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	for name := range known {
		if rows["`"+name+"`"] == "" {
			t.Errorf("%s has no row for the limit %s", limitsPage, name)
		}
	}
	replies := temporaryReplies(t)
	if len(replies) < 30 {
		t.Errorf("only %d replies were found", len(replies))
	}
	for reply, where := range replies {
		says := rows[reply]
		if says == "" {
			t.Errorf("%s has no row for %q of %s", limitsPage, reply, where)
			continue
		}
		limits := names.FindAllStringSubmatch(says, -1)
		if len(limits) == 0 && !regexp.MustCompile(`^none: .{10,}`).MatchString(says) {
			t.Errorf("%q has neither a limit nor a reason: %s", reply, says)
		}
		for _, l := range limits {
			if strings.HasPrefix(says, "`") && !known[l[1]] {
				t.Errorf("%q names the limit %s, which there is not", reply, l[1])
			}
		}
	}
	for says := range rows {
		if regexp.MustCompile(`^4\d\d `).MatchString(says) && replies[says] == "" {
			t.Errorf("nothing says %q", says)
		}
	}
}

// temporaryReplies finds the calls of mail.Refuse and mail.Recorded with a code of
// 4xx, with "{}" for what is not constant.
func temporaryReplies(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "storetest" || strings.HasPrefix(name, ".") && name != "..") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 4 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fun.Sel.Name != "Refuse" && fun.Sel.Name != "Recorded" {
				return true
			}
			code, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: a reply whose code is not a number", path)
			} else if code.Value[0] == '4' {
				found[code.Value+" "+constant(call.Args[3])] = path
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return constant(e.X) + constant(e.Y)
	}
	return "{}"
}

func TestWhatWaitsSaysForWhichLimit(t *testing.T) {
	r := newRelay(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Rcpt {
			return testmx.Action{Text: "451 4.3.2 come back later"}
		}
		return testmx.Action{}
	}})
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, "From: ann@example.org\r\nSubject: x\r\n\r\nx\r\n"); err != nil {
		t.Fatal(err)
	}
	var entry admin.Entry
	r.until("the first attempt is over", func() bool {
		for e, err := range r.admin().Queue(t.Context(), "", "", "") {
			if err != nil {
				t.Fatal(err)
			}
			entry = e
		}
		return entry.Attempts == 1
	})
	if l := entry.Limit; l == nil || l.Name != mail.LimitRetry || l.Used != 1 || !l.Frees.Equal(entry.Next) {
		t.Errorf("the queue says %+v", entry.Limit)
	}
	var next []admin.Recipient
	var outcome *trace.Limit
	for line, err := range r.admin().Trace(t.Context(), admin.TraceQuery{ID: entry.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		next = append(next, line.Next...)
		for _, o := range line.Outcomes {
			outcome = o.Limit
		}
	}
	if len(next) != 1 || next[0].Limit == nil || next[0].Limit.Name != mail.LimitRetry {
		t.Errorf("the trace says that next is %+v", next)
	}
	if outcome == nil || outcome.Name != string(mail.LimitRetry) || outcome.Frees != entry.Next.Unix() {
		t.Errorf("the trace says of the attempt %+v", outcome)
	}
}

func TestAFailedLoginIsFoundByTheClientsAddress(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	r.pass = "wrong"
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, "x"); err == nil {
		t.Fatal("let in")
	}
	for _, q := range []admin.TraceQuery{{Client: "127.0.0.1"}, {Client: "::ffff:127.0.0.1"}, {User: r.user}} {
		var found []admin.TraceLine
		for line, err := range r.admin().Trace(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, line)
		}
		if len(found) == 0 || found[0].Entry.Rule != "auth" || found[0].Entry.Limit.Name != string(mail.LimitAuthDelay) {
			t.Errorf("%+v finds %+v", q, found)
		}
	}
	for _, err := range r.admin().Trace(t.Context(), admin.TraceQuery{Client: "localhost"}) {
		if err == nil || !strings.Contains(err.Error(), "not a network address") {
			t.Errorf("got %v", err)
		}
	}
}

// A flood that says nothing of use leaves little behind, and mail goes on.
func TestAFloodOfRefusalsFillsNeitherLogNorTrace(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	const flood = 400
	for range flood {
		conn, err := net.Dial("tcp", r.addrs.STARTTLS[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "BAD\r\nMAIL FROM:<a@example.org>\r\nGET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until it is closed
		_ = conn.Close()
	}
	r.mustSend("bob@example.net", "From: ann@example.org\r\nSubject: x\r\n\r\nx\r\n")
	found := 0
	for line, err := range r.admin().Trace(t.Context(), admin.TraceQuery{Client: "127.0.0.1", Limit: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Kind == trace.Refused {
			found++
		}
	}
	lines := strings.Count(r.log.text(), "command refused")
	if found < 10 || found > 15 || lines != found {
		t.Errorf("%d records and %d lines of %d refusals", found, lines, 3*flood)
	}
	if !strings.Contains(r.metrics(), fmt.Sprintf("sesame_smtpd_refusals_unwritten_total %d\n", 3*flood-found)) {
		t.Error("those that are left out are not counted")
	}
	r.arrived(1)
}
