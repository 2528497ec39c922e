package main

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api/admin"
)

func newAccountReputation(a *app) *cobra.Command {
	return many(a, &cobra.Command{
		Use: "reputation [NAME]", Short: "Show bounce and complaint rates and the states that follow",
		Long: "Show how all accounts stand, or one with its configuration sets and identities: the state and since when, hard bounces and\n" +
			"complaints as a part of the mail that counts, and when counting began anew.",
		Args: cobra.MaximumNArgs(1),
	}, row{"ACCOUNT", "OF", "STATE", "SINCE", "BOUNCES", "COMPLAINTS", "FRESH START"},
		func(r admin.Reputation) row {
			since, fresh := "-", "never"
			if !r.Since.IsZero() {
				since = instant(r.Since)
			}
			if !r.FreshStart.IsZero() {
				fresh = instant(r.FreshStart)
			}
			return row{r.Account, strings.TrimSpace(r.Kind + " " + r.Name), r.State, since, share(r.Bounces), share(r.Complaints), fresh}
		}, func(ctx context.Context, c *admin.Client, args []string) iter.Seq2[admin.Reputation, error] {
			return c.Reputation(ctx, strings.Join(args, ""))
		})
}

func newAccountStatistics(a *app) *cobra.Command {
	return many(a, &cobra.Command{
		Use: "statistics [NAME]", Short: "Show what became of an account's mail in each quarter of an hour of the last two weeks",
		Args: cobra.MaximumNArgs(1),
	}, row{"FROM", "ATTEMPTS", "BOUNCES", "COMPLAINTS", "REJECTS"},
		func(s admin.Statistics) row {
			return row{instant(s.Time), fmt.Sprint(s.Attempts), fmt.Sprint(s.Bounces), fmt.Sprint(s.Complaints), fmt.Sprint(s.Rejects)}
		}, func(ctx context.Context, c *admin.Client, args []string) iter.Seq2[admin.Statistics, error] {
			return c.Statistics(ctx, append(args, account.DefaultName)[0])
		})
}

// share prints a rate with what it is made of.
func share(r admin.Rate) string {
	return fmt.Sprintf("%.2f %% (%d of %d)", 100*r.Rate, r.Count, r.Mails)
}
