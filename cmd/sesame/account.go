package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api/admin"
)

// What an account gets when it leaves the sandbox and nothing else is said: for
// years the first limits of SES (spec section 5.1).
const (
	productionQuota = 50_000
	productionRate  = 14
)

func newAccount(a *app) *cobra.Command {
	return group("account", "Make, limit, pause and delete accounts",
		newAccountCreate(a), newAccountList(a), newAccountShow(a), newAccountSet(a), newAccountProduction(a),
		newAccountPause(a), newAccountResume(a), newAccountReputation(a), newAccountStatistics(a), newAccountDelete(a))
}

// settings are the flags that accounts are made and changed with.
type settings struct {
	quota, rate                float64
	profile, throttle, contact string
	suppress, suppressed       string
}

func (s *settings) flags(f *pflag.FlagSet) {
	s.limits(f, 0, 0)
	f.StringVar(&s.profile, "profile", "", `"default" or "ses"; "file" is what the configuration file says`)
	f.StringVar(&s.throttle, "throttle", "", `mail beyond the rate: "refuse" or "queue" it; "file" is what the configuration file says`)
	f.StringVar(&s.suppress, "suppress", "", "the `reasons` for which addresses join the suppression list: all, bounce, complaint or none")
	f.StringVar(&s.suppressed, "suppressed", "", "mail for addresses on the suppression list: `accept` it and bounce, or refuse it at the door")
	f.StringVar(&s.contact, "contact", "", "the `address` that hears of pauses, of a quota nearly used up and of failed identities")
}

func (s *settings) limits(f *pflag.FlagSet, quota, rate float64) {
	f.Float64Var(&s.quota, "quota", quota, "the most `recipients` in 24 hours; 0 is no limit")
	f.Float64Var(&s.rate, "rate", rate, "the most `recipients` a second; 0 is no limit")
}

// change gives what the flags say; those not given change nothing.
func (s *settings) change(f *pflag.FlagSet, name string) (admin.AccountChange, error) {
	q := admin.AccountChange{Account: name}
	if f.Changed("quota") {
		n := int64(s.quota)
		if float64(n) != s.quota {
			return q, errors.New("--quota is a whole number")
		}
		q.Quota = &n
	}
	if f.Changed("rate") {
		if math.IsNaN(s.rate) || math.IsInf(s.rate, 0) {
			return q, errors.New("--rate is a number")
		}
		q.Rate = &s.rate
	}
	for flag, v := range map[string]struct {
		from *string
		to   **string
	}{"profile": {&s.profile, &q.Profile}, "throttle": {&s.throttle, &q.Throttle}, "contact": {&s.contact, &q.Contact},
		"suppress": {&s.suppress, &q.Suppress}, "suppressed": {&s.suppressed, &q.Suppressed}} {
		if !f.Changed(flag) {
			continue
		}
		if *v.from == "file" && (flag == "profile" || flag == "throttle") {
			*v.from = ""
		}
		*v.to = v.from
	}
	return q, nil
}

func newAccountCreate(a *app) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make an account, in the sandbox",
		Long: fmt.Sprintf("Make an account. Unless the file says sandbox = false it begins in the sandbox: it may send to its own verified identities and to\n"+
			"the mailbox simulator only, %d recipients in 24 hours and %d a second unless said otherwise.", account.SandboxDay, account.SandboxRate),
	}
	s.flags(cmd.Flags())
	return named(a, cmd, accountRows, func(c *admin.Client, ctx context.Context, name string) (acct admin.Account, err error) {
		q, err := s.change(cmd.Flags(), name)
		if err != nil {
			return acct, err
		}
		return c.CreateAccount(ctx, q)
	})
}

func newAccountList(a *app) *cobra.Command {
	return many(a, &cobra.Command{Use: "list", Short: "List accounts"}, row{"ACCOUNT", "ID", "STATUS", "QUOTA", "RATE", "CREATED"},
		func(acct admin.Account) row {
			return row{acct.Account, acct.ID, accountStatus(acct), limit(float64(acct.Quota)), limit(acct.Rate), instant(acct.Created)}
		}, func(ctx context.Context, c *admin.Client, _ []string) iter.Seq2[admin.Account, error] {
			return c.Accounts(ctx)
		})
}

func newAccountShow(a *app) *cobra.Command {
	return named(a, &cobra.Command{Use: "show NAME", Short: "Show an account, its limits, how far they are used and when they free"},
		accountRows, (*admin.Client).Account)
}

// changesAccount completes a command that changes an account as change says.
func changesAccount(a *app, cmd *cobra.Command, change func(name string) (admin.AccountChange, error)) *cobra.Command {
	return named(a, cmd, accountRows, func(c *admin.Client, ctx context.Context, name string) (acct admin.Account, err error) {
		q, err := change(name)
		if err != nil {
			return acct, err
		}
		return c.ChangeAccount(ctx, q)
	})
}

func newAccountSet(a *app) *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "set NAME", Short: "Change the limits, profile or contact of an account"}
	s.flags(cmd.Flags())
	return changesAccount(a, cmd, func(name string) (admin.AccountChange, error) { return s.change(cmd.Flags(), name) })
}

func newAccountProduction(a *app) *cobra.Command {
	var s settings
	var deny bool
	cmd := &cobra.Command{Use: "production NAME", Short: "Lift an account out of the sandbox and set its quota and rate"}
	s.limits(cmd.Flags(), productionQuota, productionRate)
	cmd.Flags().BoolVar(&deny, "deny", false, "say no to an owner who asked for it by the API; the account stays as it is")
	cmd.MarkFlagsMutuallyExclusive("deny", "quota")
	cmd.MarkFlagsMutuallyExclusive("deny", "rate")
	return changesAccount(a, cmd, func(name string) (admin.AccountChange, error) {
		if deny {
			return admin.AccountChange{Account: name, Deny: true}, nil
		}
		q, err := s.change(cmd.Flags(), name)
		yes, quota := true, int64(s.quota)
		q.Production, q.Quota, q.Rate = &yes, &quota, &s.rate
		return q, err
	})
}

func newAccountPause(a *app) *cobra.Command {
	return pausing(a, true, "pause NAME", "Refuse all mail of an account until it is resumed; what was accepted is still delivered")
}

func newAccountResume(a *app) *cobra.Command {
	return pausing(a, false, "resume NAME", "Let an account that was paused send again")
}

func pausing(a *app, on bool, use, short string) *cobra.Command {
	var owner bool
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.Flags().BoolVar(&owner, "owner", false, "in the owner's name: the two pauses do not touch each other")
	return changesAccount(a, cmd, func(name string) (admin.AccountChange, error) {
		if owner {
			return admin.AccountChange{Account: name, SendingOff: &on}, nil
		}
		return admin.AccountChange{Account: name, Paused: &on}, nil
	})
}

func newAccountDelete(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{Use: "delete NAME", Short: "Delete an account with its credentials, identities and configuration sets"}
	cmd.Flags().BoolVar(&force, "force", false, "also when mail of it waits in the queue, which is cancelled")
	return named(a, cmd, says(func(acct admin.Account) string { return acct.Account + " (" + acct.ID + ") is deleted." }),
		func(c *admin.Client, ctx context.Context, name string) (admin.Account, error) {
			return c.DeleteAccount(ctx, name, force)
		})
}

func accountStatus(acct admin.Account) string {
	words := []string{"production"}
	if acct.Sandbox {
		words[0] = "sandbox"
	}
	switch account.Review(acct.Review) {
	case account.ReviewPending:
		words = append(words, "asks for production")
	case account.ReviewDenied:
		words = append(words, "production denied")
	case account.ReviewNone, account.ReviewGranted:
	}
	if acct.Paused {
		words = append(words, "paused by operator")
	}
	if acct.SendingOff {
		words = append(words, "paused by owner")
	}
	return strings.Join(words, ", ")
}

func limit(n float64) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func accountRows(acct admin.Account) []row {
	or := func(s, empty string) string {
		if s == "" {
			return empty
		}
		return s
	}
	quota, rate := limit(float64(acct.Quota))+" recipients in 24 hours", limit(acct.Rate)+" recipients a second"
	if u := acct.Usage; u != nil {
		quota += fmt.Sprintf(", %d used", u.Used)
		if !u.QuotaFrees.IsZero() {
			quota += ", frees at " + instant(u.QuotaFrees)
		}
		switch {
		case acct.Rate == 0:
		case u.RateFrees.IsZero():
			rate += fmt.Sprintf(", %.0f may go at once", max(u.AtHand, 1))
		default:
			rate += ", used up, frees at " + instant(u.RateFrees)
		}
	}
	rows := []row{
		{"account", acct.Account}, {"id", acct.ID}, {"status", accountStatus(acct)},
		{"quota", quota}, {"rate", rate}, {"beyond the rate", or(acct.Throttle, "as in the file")},
		{"profile", or(acct.Profile, "as in the file")}, {"contact", or(acct.Contact, "nobody")},
		{"suppress", acct.Suppress + " (mail for those on the list: " + acct.Suppressed + ")"}, {"created", instant(acct.Created)},
	}
	if d := acct.Details; d != nil {
		rows = append(rows, row{"mail", d.MailType + " of " + d.WebsiteURL + ", told at " + instant(d.Told)},
			row{"use case", fmt.Sprintf("%q", d.UseCase)}, row{"more contacts", or(strings.Join(d.Contacts, ", "), "none")})
	}
	if r := acct.Reputation; r != nil {
		rows = append(rows, row{"reputation", r.State + ": " + share(r.Bounces) + " bounced, " + share(r.Complaints) + " complained"})
	}
	return rows
}
