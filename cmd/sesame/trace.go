package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

// followEvery is how often a message under way is asked about.
const followEvery = time.Second

func newTrace(a *app) *cobra.Command {
	var q admin.TraceQuery
	var since time.Duration
	var follow bool
	cmd := &cobra.Command{
		Use:   "trace ID|--to ADDRESS|--from ADDRESS|--message-id ID|--client ADDRESS|--user NAME",
		Short: "Tell the life of a message, or why it was refused",
		Args: func(_ *cobra.Command, args []string) error {
			narrow := q.To != "" || q.From != "" || q.MessageID != "" || q.Client != "" || q.User != ""
			switch {
			case len(args) > 1 || (len(args) == 1) == narrow:
				return errors.New("name one ID, or --to, --from, --message-id, --client or --user")
			case since < 0:
				return errors.New("--since is a time back from now, such as 2h")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.To, "to", "", "messages to this `address`")
	f.StringVar(&q.From, "from", "", "messages with this envelope `sender`, <> for none")
	f.StringVar(&q.MessageID, "message-id", "", "messages with this `Message-ID` field")
	f.StringVar(&q.Client, "client", "", "messages and refusals of the client at this network `address`")
	f.StringVar(&q.User, "user", "", "messages and refusals of this `name` at AUTH")
	f.DurationVar(&since, "since", 0, "only what is younger than this `time`, such as 2h")
	f.IntVar(&q.Limit, "limit", 0, "the most `messages`, the newest; 20 unless given")
	f.BoolVar(&follow, "follow", false, "go on until nobody waits for the message any more")
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		if len(args) == 1 {
			q.ID = args[0]
		}
		if since > 0 {
			q.Since = time.Now().Add(-since)
		}
		t := &teller{app: a, told: make(map[string]bool)}
		return t.run(ctx, c, q, follow)
	})
}

// teller prints lives, each line once.
type teller struct {
	*app
	told map[string]bool
	last mail.ID // whose life the line before is of
}

// run tells what is known, and with follow goes on until nobody waits.
func (t *teller) run(ctx context.Context, client *admin.Client, q admin.TraceQuery, follow bool) error {
	for {
		found, waiting := false, false
		for line, err := range client.Trace(ctx, q) {
			if err != nil {
				return err
			}
			found = true
			waiting = waiting || len(line.Next) > 0
			if err := t.line(&line); err != nil {
				return err
			}
		}
		if !found {
			return errors.New("nothing is recorded of it")
		}
		if !follow || !waiting {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// line tells one record and what comes next, if it has not been told yet.
func (t *teller) line(l *admin.TraceLine) error {
	if t.json {
		return t.once(l, func() error { return t.app.line(l) })
	}
	record := admin.TraceLine{Message: l.Message, Record: l.Record}
	if err := t.once(record, func() error { return t.tell(l) }); err != nil || len(l.Next) == 0 && l.Cut == 0 {
		return err
	}
	return t.once(admin.TraceLine{Message: l.Message, Next: l.Next, Cut: l.Cut}, func() error { return t.next(l) })
}

func (t *teller) once(v any, do func() error) error {
	text, err := json.Marshal(v)
	if err != nil || t.told[string(text)] {
		return err
	}
	t.told[string(text)] = true
	return do()
}

// page puts lines together, each safe for a terminal.
type page struct{ strings.Builder }

// at adds a line with its time, plain one that belongs to the line before.
func (p *page) at(t time.Time, format string, args ...any) {
	p.WriteString(t.Local().Format("2006-01-02 15:04:05.000  "))
	p.WriteString(printable(fmt.Sprintf(format, args...), false) + "\n")
}

func (p *page) plain(format string, args ...any) {
	p.WriteString(strings.Repeat(" ", 25) + printable(fmt.Sprintf(format, args...), false) + "\n")
}

// some adds a plain line for a text that is not empty.
func (p *page) some(label, text string) {
	if text != "" {
		p.plain("%s%s", label, text)
	}
}

func (t *teller) tell(l *admin.TraceLine) error {
	var p page
	if l.Message != t.last || l.Kind == trace.Refused {
		if t.last = l.Message; len(t.told) > 1 {
			p.WriteString("\n")
		}
		if !l.Message.IsZero() {
			p.WriteString(l.Message.String() + "\n")
		}
	}
	switch l.Kind {
	case trace.Accepted, trace.Refused:
		if l.Entry != nil && l.Entry.Early {
			p.at(l.Time, "%s, before a sender was named", l.Kind)
		} else {
			p.at(l.Time, "%s from <%s> to %s", l.Kind, l.From, paths(l.To))
		}
		if l.Entry != nil {
			p.entry(l)
		}
	case trace.Noticed:
		what := "mail of our own"
		if !l.About.IsZero() {
			what = "mail about " + l.About.String()
		}
		p.at(l.Time, "%s for %s, %s", what, paths(l.To), l.ID)
	case trace.Attempted, trace.Settled:
		p.attempt(l)
	case trace.Returned:
		p.returned(l)
	case trace.Changed:
		p.at(l.Time, "%s: %s", strings.Join(l.To, ", "), l.Text)
	case trace.Lost:
		n := "some"
		if l.Missing > 0 {
			n = strconv.FormatInt(l.Missing, 10)
		}
		p.at(l.Time, "records are missing since %s: %s of all messages (%s)", instant(l.Since), n, l.Text)
	default:
		p.at(l.Time, "%s %s", l.Kind, l.Text)
	}
	_, err := io.WriteString(t.out, p.String())
	return err
}

// entry tells how a message came in.
func (p *page) entry(l *admin.TraceLine) {
	e := l.Entry
	p.some("user name ", e.User)
	p.plain("account %s, credential %s, from %s (%s) with %s %s %s", cmp.Or(l.Account, "unknown"), cmp.Or(e.Credential, "none"),
		cmp.Or(e.Client, "inside"), e.Helo, e.Protocol, cmp.Or(e.TLS, "in clear text"), e.Cipher)
	if e.Size > 0 {
		p.plain("%d octets, Message-ID %s", e.Size, cmp.Or(l.MessageID, "none"))
	}
	p.some("configuration set ", e.ConfigSet)
	p.some("passed ", strings.Join(e.Passed, ", "))
	if l.Kind == trace.Refused {
		p.plain("refused by %s: %s", e.Rule, e.Reply)
		p.some("because ", e.Cause)
		if e.Also > 0 {
			p.plain("and %d refusals of the same network before, which were too many to record", e.Also)
		}
	}
	p.some("fields added: ", strings.Join(e.Added, ", "))
	p.some("fields left out: ", strings.Join(e.Dropped, ", "))
	p.some("DKIM keys: ", strings.Join(e.Keys, ", "))
	if e.Wait > 0 {
		p.plain("put off by the account's rate for %v%s", e.Wait, figures(e.Limit))
	}
}

// attempt tells of an attempt and what came of it.
func (p *page) attempt(l *admin.TraceLine) {
	if a := l.Attempt; a != nil {
		began := l.Time.Add(-a.Dur)
		p.at(began, "attempt for %s at %s, hosts: %s", a.Domain, a.Site, cmp.Or(strings.Join(a.Hosts, ", "), "none"))
		for _, s := range a.Steps {
			for _, line := range strings.Split(s.Text, "\n") {
				p.at(began.Add(s.At), "  %c %s", s.Who, line)
			}
		}
		if a.Cut > 0 {
			p.plain("  %d lines are left out", a.Cut)
		}
	}
	for _, o := range l.Outcomes {
		text := o.Result
		if o.Expired {
			text = "expired"
		}
		if o.Uncertain {
			text = "uncertain: it may have arrived, and is sent again"
		}
		where := ""
		if o.Host != "" {
			where = " (" + o.Host + ", " + cmp.Or(o.TLS, "clear text") + ")"
		}
		about := ""
		if o.Class != "" {
			about = " [" + o.Class + "]"
		}
		p.at(l.Time, "%s %s%s: %s%s", o.To, text, where, o.Reply, about)
		p.some("because ", o.Cause)
		switch {
		case o.Next > 0 && l.Kind == trace.Settled:
			p.plain("put off without an attempt; again at %s", instant(time.Unix(o.Next, 0)))
		case o.Next > 0:
			p.plain("attempt %d; by the schedule again at %s", o.Attempt, instant(time.Unix(o.Next, 0)))
		}
		if o.Limit != nil {
			p.plain("limit: %s of %s%s", o.Limit.Name, o.Limit.Whose, figures(o.Limit))
		}
	}
	if a := l.Attempt; a != nil && a.Until > 0 {
		p.plain("site %s is down and left alone until %s", a.Site, instant(time.Unix(a.Until, 0)))
	}
}

// returned tells what came back after the message had left.
func (p *page) returned(l *admin.TraceLine) {
	for _, o := range l.Outcomes {
		text := "complained"
		switch o.Result {
		case event.Bounce.String():
			text = "bounced later: " + o.Reply
		case event.Subscription.String():
			text = "changed a subscription"
		}
		if o.Class != "" {
			text += " [" + o.Class + "]"
		}
		p.at(l.Time, "%s %s", o.To, text)
	}
	p.some("told by ", l.Text)
}

// next tells what comes.
func (t *teller) next(l *admin.TraceLine) error {
	var p page
	for _, r := range l.Next {
		switch due := instant(r.Next); {
		case r.State == "held":
			p.plain("next: %s is held by the operator", r.To)
		case r.SiteDown.After(r.Next):
			p.plain("next: %s waits for %s, which does not answer and is left alone until %s", r.To, r.Site, instant(r.SiteDown))
		case r.Limit != nil && r.Limit.Name == mail.LimitSenderStopped:
			p.plain("next: %s waits for %s; given up at %s", r.To, r.Limit, instant(r.Expires))
		case !r.Next.After(time.Now()) && r.Limit != nil:
			p.plain("next: %s is due since %s and waits for %s", r.To, due, r.Limit)
		case !r.Next.After(time.Now()):
			p.plain("next: %s is due since %s, and under way or in line for its site", r.To, due)
		default:
			p.plain("next: %s is tried again at %s (%d attempts so far), given up at %s", r.To, due, r.Attempts, instant(r.Expires))
		}
	}
	if l.Cut > 0 {
		p.plain("%d records are left out", l.Cut)
	}
	_, err := io.WriteString(t.out, p.String())
	return err
}

func paths(to []string) string { return "<" + strings.Join(to, ">, <") + ">" }

// figures says how far a limit is used; nil is nothing.
func figures(l *trace.Limit) string {
	if l == nil || l.Max == 0 {
		return ""
	}
	return fmt.Sprintf(" (%g of %g %s)", l.Used, l.Max, l.Unit)
}
