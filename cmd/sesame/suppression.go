package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/mail"
)

func newSuppression(a *app) *cobra.Command {
	return group("suppression", "Keep the lists of addresses that are not written to",
		newSuppressionPut(a), newSuppressionGet(a), newSuppressionList(a), newSuppressionDelete(a),
		newSuppressionImport(a), newSuppressionExport(a))
}

// listFlags say which list a command is about.
type listFlags struct {
	account      string
	installation bool
}

func (f *listFlags) add(cmd *cobra.Command) {
	accountFlag(cmd, &f.account)
	cmd.Flags().BoolVar(&f.installation, "installation", false, "the list of the installation, of 14 days")
	cmd.MarkFlagsMutuallyExclusive("account", "installation")
}

// name gives the account's, or none for the installation.
func (f *listFlags) name() string {
	if f.installation {
		return ""
	}
	return f.account
}

func suppressedRows(s admin.Suppressed) []row {
	rows := []row{{"address", s.Address}, {"reason", s.Reason}, {"last update", instant(s.LastUpdate)}}
	for _, r := range []row{{"list", s.List}, {"account", s.Account}, {"message", s.MessageID}, {"feedback", s.FeedbackID}} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	if !s.Expires.IsZero() {
		rows = append(rows, row{"expires", instant(s.Expires)})
	}
	return rows
}

// ofList completes a command about one address of a list.
func ofList(a *app, cmd *cobra.Command, f *listFlags, rows func(admin.Suppressed) []row,
	do func(c *admin.Client, ctx context.Context, account, address, left string) (admin.Suppressed, error)) *cobra.Command {
	var left string
	f.add(cmd)
	cmd.Flags().StringVar(&left, "list", "", "`name` of the mailing list that the address left, for the reason UNSUBSCRIBE")
	return named(a, cmd, rows, func(c *admin.Client, ctx context.Context, address string) (admin.Suppressed, error) {
		return do(c, ctx, f.name(), address, left)
	})
}

func newSuppressionPut(a *app) *cobra.Command {
	var (
		f      listFlags
		reason string
	)
	cmd := &cobra.Command{Use: "put ADDRESS", Short: "Put an address on the list; what the list has of it is replaced"}
	cmd.Flags().StringVar(&reason, "reason", "BOUNCE", "`BOUNCE`, COMPLAINT or UNSUBSCRIBE")
	return ofList(a, cmd, &f, suppressedRows, func(c *admin.Client, ctx context.Context, account, address, left string) (admin.Suppressed, error) {
		return c.Suppress(ctx, admin.SuppressRequest{Account: account, Installation: f.installation, Address: address, Reason: reason, List: left})
	})
}

func newSuppressionGet(a *app) *cobra.Command {
	return ofList(a, &cobra.Command{Use: "get ADDRESS", Short: "Show what the list has of an address; exit code 1 when it has nothing"},
		&listFlags{}, suppressedRows, (*admin.Client).Left)
}

func newSuppressionDelete(a *app) *cobra.Command {
	return ofList(a, &cobra.Command{Use: "delete ADDRESS", Short: "Take an address off the list"},
		&listFlags{}, says(func(s admin.Suppressed) string { return s.Address + " is off the list." }), (*admin.Client).Rejoin)
}

// narrow are the flags that narrow a list.
type narrow struct {
	reason, since, until string
}

func (n *narrow) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.reason, "reason", "", "only BOUNCE, COMPLAINT or UNSUBSCRIBE, by `reason`")
	cmd.Flags().StringVar(&n.since, "since", "", "only updated at or after this `time`, such as 2026-02-03 or 2026-02-03T04:05:06Z")
	cmd.Flags().StringVar(&n.until, "until", "", "only updated before this `time`")
}

func (n *narrow) filter() (f admin.SuppressedFilter, err error) {
	f.Reason = n.reason
	if f.Since, err = parseTime(n.since); err == nil {
		f.Until, err = parseTime(n.until)
	}
	return f, err
}

// parseTime reads a day or a time; empty is zero.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2026-02-03 or 2026-02-03T04:05:06Z", text)
}

func newSuppressionList(a *app) *cobra.Command {
	var (
		f listFlags
		n narrow
	)
	cmd := &cobra.Command{Use: "list", Short: "List the addresses", Args: cobra.NoArgs}
	f.add(cmd)
	n.add(cmd)
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, _ []string) error {
		filter, err := n.filter()
		if err != nil {
			return err
		}
		return table(a, c.AllSuppressed(ctx, f.name(), filter), row{"ADDRESS", "REASON", "LIST", "LAST UPDATE", "MESSAGE"},
			func(s admin.Suppressed) row {
				return row{s.Address, s.Reason, s.List, instant(s.LastUpdate), s.MessageID}
			})
	})
}

// formOf gives the form of a file: the one that was named, else that of its name.
func formOf(form, file string) (string, error) {
	if form == "" {
		switch strings.ToLower(filepath.Ext(file)) {
		case ".csv", ".txt":
			form = string(suppression.CSV)
		case ".jsonl", ".ndjson", ".json":
			form = string(suppression.JSONL)
		default:
			return "", errors.New(`the name of the file does not tell its form: say --format csv or jsonl`)
		}
	}
	if form != string(suppression.CSV) && form != string(suppression.JSONL) {
		return "", suppression.ErrForm
	}
	return form, nil
}

func newSuppressionImport(a *app) *cobra.Command {
	var (
		f    listFlags
		form string
		off  bool
	)
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Put the addresses of a file on the list",
		Long: "Put the addresses of a file on the list, of any number. In CSV a line is address, reason (BOUNCE when\n" +
			"it is missing), and whatever else export writes; in JSON lines it is an object such as\n" +
			`{"emailAddress":"ann@example.com","reason":"BOUNCE"}` + ". A FILE of - is standard input. Lines that are no\n" +
			"entry are told of and passed over; then the exit code is 1. The same file imported again changes nothing.",
		Args: cobra.ExactArgs(1),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&form, "format", "", "`csv` or jsonl; else the name of the file tells")
	cmd.Flags().BoolVar(&off, "delete", false, "take the addresses off the list instead")
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		form, err := formOf(form, args[0])
		if err != nil {
			return err
		}
		in := cmd.InOrStdin()
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // it was only read
			in = file
		}
		done, err := c.ImportSuppressed(ctx, f.name(), in, form, off)
		if err != nil {
			return err
		}
		rows := []row{{"lines", fmt.Sprint(done.Lines)}, {"changed", fmt.Sprint(done.Changed)},
			{"unchanged", fmt.Sprint(done.Unchanged)}, {"failed", fmt.Sprint(done.Failed)}}
		for _, e := range done.Errors {
			rows = append(rows, row{fmt.Sprintf("line %d", e.Line), e.Text})
		}
		if err := a.object(done, rows...); err != nil {
			return err
		}
		if done.Failed > 0 {
			return fmt.Errorf("%d of %d lines are no entry", done.Failed, done.Lines)
		}
		return nil
	})
}

func newSuppressionExport(a *app) *cobra.Command {
	var (
		f    listFlags
		n    narrow
		form string
	)
	cmd := &cobra.Command{
		Use: "export", Short: "Write the list to standard output, as import reads it", Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			filter, err := n.filter()
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			w, err := suppression.NewWriter(a.out, suppression.Form(form))
			if err != nil {
				return err
			}
			if err := exportTo(w, client.AllSuppressed(cmd.Context(), f.name(), filter)); err != nil {
				return err
			}
			return w.Close()
		}),
	}
	f.add(cmd)
	n.add(cmd)
	cmd.Flags().StringVar(&form, "format", string(suppression.CSV), "`csv` or jsonl")
	return cmd
}

func exportTo(w *suppression.Writer, entries func(func(admin.Suppressed, error) bool)) error {
	for s, err := range entries {
		if err != nil {
			return err
		}
		e := suppression.Entry{List: s.List, Updated: s.LastUpdate, MessageID: s.MessageID, FeedbackID: s.FeedbackID}
		if e.Address, err = mail.ParseAddress(s.Address); err != nil {
			return err
		}
		if e.Reason, err = suppression.ParseReason(s.Reason); err != nil {
			return err
		}
		if err := w.Write(e); err != nil {
			return err
		}
	}
	return nil
}
