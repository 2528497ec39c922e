package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/trace"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sesame": main})
}

// TestCommands runs the commands as programs of their own against the admin
// socket of a server that has a queue and no network.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/commands",
		RequireExplicitExec: true,
		Setup:               serve,
		Condition: func(cond string) (bool, error) {
			if cond != "system-server" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return exists(config.Default("localhost").Listen.Admin), nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "spool": spool},
	})
}

// exits runs sesame and checks its exit code: exits CODE ARGUMENTS.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGUMENTS")
	}
	err := ts.Exec("sesame", args[1:]...)
	code := 0
	if exit := (interface{ ExitCode() int })(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("sesame: %v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// spool makes the data of a server that was started and stopped: spool DIR.
func spool(ts *testscript.TestScript, _ bool, args []string) {
	o := bolt.Options{Dir: ts.MkAbs(args[0])}
	s, err := bolt.Open(o)
	ts.Check(err)
	ts.Check(s.Close())
	b, err := bolt.OpenBooks(o)
	ts.Check(err)
	ts.Check(b.Close())
	ts.Check(os.MkdirAll(filepath.Join(o.Dir, "content"), 0o700))
}

// serve starts a server at $WORK/admin.sock with two messages in the queue, one
// of which was tried: $TRIED and $NEW.
func serve(env *testscript.Env) error {
	ctx, cancel := context.WithCancel(context.Background())
	env.Defer(cancel)
	work := env.WorkDir
	k, err := keyfile.Open(work)
	if err != nil {
		return err
	}
	dir, waiting := &accounttest.Directory{}, &queuetest.Spool{}
	books, err := account.Open(ctx, account.Options{
		Directory: dir, Keys: k, Derive: func(secret string) string { return sigv4.SMTPPassword(secret, "local-1") },
		DeriveImported: sigv4.SMTPPassword,
	})
	if err != nil {
		return err
	}
	identities, err := identity.Open(ctx, identity.Options{Directory: dir, Keys: k, Host: "mx1.example.com"})
	if err != nil {
		return err
	}
	sets, err := configset.Open(ctx, configset.Options{Directory: dir, Pools: []string{"bulk", "default"}})
	if err != nil {
		return err
	}
	templates, err := template.Open(ctx, dir)
	if err != nil {
		return err
	}
	destinations, err := destination.Open(ctx, destination.Options{Directory: dir, Keys: k})
	if err != nil {
		return err
	}
	store, err := bolt.OpenSuppression(bolt.Options{Dir: filepath.Join(work, "lists")})
	if err != nil {
		return err
	}
	q := queue.New(queue.Options{Spool: waiting})
	if err := fill(ctx, env, q, waiting); err != nil {
		return err
	}
	lives, err := trace.Open(trace.Options{Dir: filepath.Join(work, "trace")})
	if err != nil {
		return err
	}
	record(lives, env)
	l, err := admin.Listen(ctx, filepath.Join(work, "admin.sock"))
	if err != nil {
		return err
	}
	rated, err := ratings(filepath.Join(work, "reputation"), books)
	if err != nil {
		return err
	}
	server := admin.New(admin.Options{
		Reputation: rated, Hostname: "mx1.example.com", Version: "1.2.3", Accounts: books, Identities: identities, Sets: sets, Templates: templates, Destinations: destinations, Queue: q, Spool: waiting, Trace: lives,
		Suppression: suppression.New(suppression.Options{Store: store, Accounts: books, Sets: sets}),
		Holding:     holding,
		InForce: func(int) []*mail.Limit {
			return []*mail.Limit{{Name: mail.LimitSourceRest, Whose: "source a at site mx.example.net", Frees: time.Unix(1_800_000_000, 0).UTC()}}
		},
	})
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	env.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			env.T().Log(err)
		}
		if err := store.Close(); err != nil {
			env.T().Log(err)
		}
	})
	toml := filepath.Join(work, "sesame.toml")
	env.Setenv("SESAME_CONFIG", toml)
	return os.WriteFile(toml, []byte("hostname = \"mx1.example.com\"\ndata_dir = \"data\"\n[listen]\nadmin = \"admin.sock\"\n"), 0o600)
}

// ratings rates the account default: two mails under the set news, one of which
// bounced.
func ratings(dir string, books *account.Book) (*reputation.Book, error) {
	b, err := reputation.Open(reputation.Options{Dir: dir, Accounts: books})
	if err != nil {
		return nil, err
	}
	to, err := mail.ParseAddress("bob@example.net")
	b.Observe(reputation.Sender{Account: account.DefaultID, ConfigSet: "news", Accepted: time.Now()},
		reputation.Fact{Outcome: reputation.Sent, To: to}, reputation.Fact{Outcome: reputation.Sent, To: to},
		reputation.Fact{Outcome: reputation.Delivered, To: to},
		reputation.Fact{Outcome: reputation.Bounced, To: to, BounceType: "Permanent"})
	return b, err
}

// record puts the life of $TRIED and a refusal into the trace.
func record(lives *trace.Recorder, env *testscript.Env) {
	id, err := mail.ParseID(env.Getenv("TRIED"))
	if err != nil {
		env.T().Fatal(err)
	}
	d := trace.Begin()
	d.Add(trace.Note, "connect to mx.example.org [192.0.2.1:25], source default, TLS opportunistic")
	d.Add(trace.Server, "220 mx.example.org\nwelcome")
	d.Add(trace.Client, "RCPT TO:<a@example.org>")
	d.Add(trace.Server, "452 4.2.2 mailbox \x1b[31mfull")
	a := &trace.Attempt{Domain: "example.org", Site: "mx.example.org", Hosts: []string{"10 mx.example.org"}, Until: 2000000000}
	d.Fill(a)
	to := []string{"a@example.org", "b@example.net"}
	lives.Add(&trace.Record{Kind: trace.Accepted, Time: time.Now(), ID: id, Account: account.DefaultID, From: "shop@example.com", To: to,
		MessageID: "<1@example.com>", Entry: &trace.Entry{Client: "192.0.2.7", Helo: "app", Protocol: "ESMTPSA", TLS: "TLSv1.3", Cipher: "X",
			Credential: "AKIA1", Size: 5, Passed: []string{"pause", "identity"}, Added: []string{"Received"}, Dropped: []string{"Bcc"}, Wait: time.Second}})
	lives.Add(&trace.Record{Kind: trace.Attempted, Time: time.Now(), ID: id, From: "shop@example.com", To: to[:1], Attempt: a,
		Outcomes: []trace.Outcome{{To: to[0], Result: "deferred", Reply: "452 4.2.2 mailbox full", Host: "mx.example.org", Attempt: 1, Next: 2000000000}}})
	lives.Add(&trace.Record{Kind: trace.Settled, Time: time.Now(), ID: id, To: to[1:], Outcomes: []trace.Outcome{
		{To: to[1], Result: "deferred", Uncertain: true, Reply: "421 4.4.2 Connection closed", Cause: "EOF"}}})
	lives.Add(&trace.Record{Kind: trace.Settled, Time: time.Now(), ID: id, To: to[1:], Outcomes: []trace.Outcome{
		{To: to[1], Result: "deferred", Reply: "451 4.7.1 Mail of example.com waits", Next: 2000000000,
			Limit: &trace.Limit{Name: string(mail.LimitSenderStopped), Whose: "identity example.com at site mx.example.net"}}}})
	lives.Add(&trace.Record{Kind: trace.Refused, Time: time.Now(), Account: account.DefaultID, From: "x@example.net", To: []string{"c@example.org"},
		Entry: &trace.Entry{Rule: "identity", Reply: "554 5.7.1 Message rejected"}})
}

// holding says that mail for b@example.net waits for its sender.
func holding(e queue.Entry) (site string, l *mail.Limit) {
	if e.State != queue.Queued || e.To.Local() != "b" {
		return "", nil
	}
	return "mx.example.net", &mail.Limit{Name: mail.LimitSenderStopped, Whose: "identity example.com at site mx.example.net", Frees: e.Due}
}

func fill(ctx context.Context, env *testscript.Env, q *queue.Queue, waiting *queuetest.Spool) error {
	minter, err := mail.NewMinter(make([]byte, 16), 0, 1)
	if err != nil {
		return err
	}
	from, err := mail.ParseReversePath("shop@example.com")
	if err != nil {
		return err
	}
	later := time.Now().Add(time.Hour)
	for _, m := range []struct {
		name string
		from mail.ReversePath
		to   []string
	}{
		{"TRIED", from, []string{"a@example.org", "b@example.net"}},
		{"NEW", mail.ReversePath{}, []string{"c@example.org"}},
	} {
		id := minter.New(time.Now())
		env.Setenv(m.name, id.String())
		msg := queue.Message{ID: id, Account: account.DefaultID, From: m.from, Accepted: time.Now(), Size: 5, HeaderSize: 5}
		for _, s := range m.to {
			to, err := mail.ParseForwardPath(s)
			if err != nil {
				return err
			}
			msg.To = append(msg.To, to)
		}
		if _, err := q.Append(ctx, queue.Submission{Message: msg, Content: queuetest.NewDraft("a: b\n"), Due: later, MaxAge: time.Hour}); err != nil {
			return err
		}
		if m.name == "TRIED" {
			// What a remote host said may be made to harm a terminal.
			err := waiting.Commit(ctx, queue.Settlement{ID: id, Entries: []queue.Settled{{
				N: 0, Result: mail.Deferred, Due: later, Attempts: 1, LastHost: "mx.example.org",
				Last: mail.Reply{Code: 452, Status: mail.Status{Class: 4, Subject: 2, Detail: 2}, Text: "mailbox \x1b[31mfull"},
			}}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
