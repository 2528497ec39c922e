package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/mail"
)

func newQueue(a *app) *cobra.Command {
	return group("queue", "See and change what waits to be delivered",
		newQueueList(a),
		newQueueShow(a),
		newQueueChange(a, admin.Hold, "Keep recipients back until they are released"),
		newQueueChange(a, admin.Release, "Let held recipients go"),
		newQueueChange(a, admin.Retry, "Try queued recipients now"),
		newQueueChange(a, admin.Cancel, "Give recipients up"))
}

func newQueueList(a *app) *cobra.Command {
	var owner, domain, state string
	cmd := &cobra.Command{Use: "list", Short: "List the recipients that wait"}
	f := cmd.Flags()
	f.StringVar(&owner, "account", "", "only of the account with this `name`")
	f.StringVar(&domain, "domain", "", "only for this `domain`")
	f.StringVar(&state, "state", "", "only in this `state`: queued or held")
	return many(a, cmd, row{"ID", "ACCOUNT", "FROM", "TO", "STATE", "ATTEMPTS", "NEXT", "WAITS FOR", "LAST REPLY"},
		func(e admin.Entry) row {
			return row{e.ID, e.Account, null(e.From), e.To, e.State, strconv.Itoa(e.Attempts), instant(e.Next), waitsFor(e.Limit), e.LastReply}
		}, func(ctx context.Context, c *admin.Client, _ []string) iter.Seq2[admin.Entry, error] {
			return c.Queue(ctx, owner, domain, state)
		})
}

func newQueueShow(a *app) *cobra.Command {
	return named(a, &cobra.Command{Use: "show ID", Short: "Show a message and its recipients that wait"}, messageRows, (*admin.Client).Message)
}

func messageRows(m admin.Message) []row {
	rows := []row{
		{"id", m.ID}, {"account", m.Account}, {"from", null(m.From)}, {"accepted", instant(m.Accepted)},
		{"size", strconv.FormatInt(m.Size, 10)}, {"message-id", m.MessageID},
	}
	for _, r := range m.Recipients {
		rows = append(rows, row{},
			row{"to", r.To}, row{"state", r.State}, row{"attempts", strconv.Itoa(r.Attempts)},
			row{"next", instant(r.Next)}, row{"expires", instant(r.Expires)},
			row{"waits for", why(r.Limit)}, row{"last reply", r.LastReply}, row{"last host", r.LastHost})
	}
	return rows
}

func newQueueChange(a *app, what, short string) *cobra.Command {
	var sel admin.Selection
	cmd := &cobra.Command{
		Use:   what + " ID|--account NAME|--domain DOMAIN|--all",
		Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			ways := len(args)
			if sel.Account != "" || sel.Domain != "" {
				ways++
			}
			if sel.All {
				ways++
			}
			if ways != 1 {
				return errors.New("name one ID, or --account and --domain, or --all")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&sel.Account, "account", "", "all of the account with this `name`")
	f.StringVar(&sel.Domain, "domain", "", "all for this `domain`")
	f.BoolVar(&sel.All, "all", false, "all in the queue")
	if what == admin.Cancel {
		f.BoolVar(&sel.Bounce, "bounce", false, "tell the sender with a DSN")
	}
	return one(a, cmd, says(func(c admin.Changed) string { return fmt.Sprintf("%s: %d recipients", what, c.Recipients) }),
		func(ctx context.Context, c *admin.Client, args []string) (admin.Changed, error) {
			if len(args) == 1 {
				sel.ID = args[0]
			}
			return c.Change(ctx, what, sel)
		})
}

// waitsFor names the limit that holds a recipient.
func waitsFor(l *mail.Limit) string {
	if l == nil {
		return ""
	}
	return string(l.Name)
}

// why says all of it.
func why(l *mail.Limit) string {
	if l == nil {
		return ""
	}
	return l.Error()
}
