package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/api/admin"
)

func newDestination(a *app) *cobra.Command {
	return group("destination", "Make and list destinations: who is told what became of mail",
		newDestinationCreate(a), newDestinationList(a),
		destinationCommand(a, "show", "Show a destination", (*admin.Client).Destination, destinationRows),
		destinationCommand(a, "delete", "Delete a destination; events that wait for it are dropped", (*admin.Client).DeleteDestination,
			says(func(d admin.Destination) string { return fmt.Sprintf("%s of %s is deleted.", d.Name, d.Owner()) })),
		newDestinationReplay(a))
}

func newDestinationReplay(a *app) *cobra.Command {
	var (
		from  uint64
		since string
		at    time.Time
	)
	cmd := destinationCommand(a, "replay", "Tell a destination what waits for it, parked or not, and again what it was told",
		func(c *admin.Client, ctx context.Context, n admin.DestinationName) (admin.Replayed, error) {
			return c.ReplayDestination(ctx, n, admin.Replay{From: from, Since: at})
		},
		says(func(d admin.Replayed) string {
			return fmt.Sprintf("%s of %s is %s. %d events are told again.", d.Name, d.Owner(), d.State, d.Again)
		}))
	cmd.Flags().Uint64Var(&from, "from", 0, "tell again the events from this `number` on")
	cmd.Flags().StringVar(&since, "since", "", "tell again the events since this `time`, as 2026-02-03T04:05:06Z")
	named := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) (err error) {
		if since != "" {
			if at, err = time.Parse(time.RFC3339, since); err != nil {
				return fmt.Errorf("--since: %q is not a time such as 2026-02-03T04:05:06Z", since)
			}
		}
		return named(cmd, args)
	}
	return cmd
}

func destinationRows(d admin.Destination) []row {
	rows := []row{
		{"destination", d.Name}, {"configuration set", d.Set}, {"account", d.Account}, {"kind", d.Kind}, {"target", d.Target},
		{"events", strings.Join(d.Events, ",")}, {"state", d.State}, {"created", instant(d.Created)},
	}
	if d.Identity != "" {
		rows[1] = row{"identity", d.Identity}
	}
	if d.Topic != "" {
		rows[1] = row{"topic", d.Topic}
	}
	if !d.Parked.IsZero() {
		rows = append(rows, row{"parked", instant(d.Parked)})
	}
	for _, x := range d.Dimensions {
		rows = append(rows, row{"dimension", fmt.Sprintf("%s=%s:%s", x.Name, x.Source, x.Default)})
	}
	if d.Secret != "" {
		rows = append(rows, row{"secret", d.Secret}, row{"", "The secret is shown this once."})
	}
	return rows
}

func newDestinationCreate(a *app) *cobra.Command {
	var (
		d              admin.NewDestination
		hook, sns, out string
		counts         bool
		dimensions     []string
	)
	cmd := &cobra.Command{
		Use: "create", Short: "Make a destination", Args: cobra.NoArgs,
		Long: "Make a destination: a webhook signed with a secret that is shown once, a webhook in\n" +
			"the envelope of Amazon SNS, a file of JSON lines, or counters for Prometheus. It is told\n" +
			"of mail that is accepted from now on, under a configuration set or sent as an identity. For an identity\n" +
			"the JSON is that of the notifications of SES, and the events are bounce, complaint and delivery.",
		PreRunE: func(*cobra.Command, []string) error {
			if d.Name == "" {
				return errors.New("name the destination with --name")
			}
			return owned(d.DestinationName)
		},
	}
	flags := cmd.Flags()
	ownerFlags(cmd, &d.DestinationName)
	flags.StringVar(&d.Name, "name", "", "the destination's `name`")
	flags.StringVar(&hook, "webhook", "", "`URL` to post events to")
	flags.StringVar(&sns, "sns-webhook", "", "`URL` to post events to as Amazon SNS does")
	flags.StringVar(&out, "file", "", "`path` of a file of events, below [events] file_dir")
	flags.BoolVar(&counts, "metrics", false, "count events for Prometheus")
	flags.StringArrayVar(&dimensions, "dimension", nil,
		"of the counters: `NAME=SOURCE:DEFAULT`, such as campaign=messageTag:none; the source is messageTag or emailHeader")
	flags.IntVar(&d.Signature, "signature-version", 1, "of SNS: `1` (SHA-1, which every validator knows) or 2 (SHA-256)")
	flags.StringSliceVar(&d.Events, "events", destination.Words(),
		"the `types` of events, parted by commas; bounce,complaint for an identity")
	cmd.MarkFlagsMutuallyExclusive("webhook", "sns-webhook", "file", "metrics")
	cmd.MarkFlagsOneRequired("webhook", "sns-webhook", "file", "metrics")
	return one(a, cmd, destinationRows, func(ctx context.Context, c *admin.Client, _ []string) (admin.Destination, error) {
		for kind, target := range map[string]string{"webhook": hook, "sns": sns, "file": out} {
			if target != "" {
				d.Kind, d.Target = kind, target
			}
		}
		if counts {
			d.Kind = "metrics"
		}
		if d.Kind != "sns" {
			d.Signature = 0
		}
		for _, text := range dimensions {
			dimension, err := destination.ParseDimension(text)
			if err != nil {
				return admin.Destination{}, err
			}
			d.Dimensions = append(d.Dimensions, dimension)
		}
		if d.Identity != "" && !cmd.Flags().Changed("events") {
			d.Events = []string{"bounce", "complaint"}
		}
		return c.CreateDestination(ctx, d)
	})
}

func newDestinationList(a *app) *cobra.Command {
	var n admin.DestinationName
	cmd := &cobra.Command{Use: "list", Short: "List destinations"}
	cmd.Flags().StringVar(&n.Account, "account", "", "only of the account with this `name`")
	cmd.Flags().StringVar(&n.Set, "configuration-set", "", "only of the configuration set with this `name`")
	cmd.Flags().StringVar(&n.Identity, "identity", "", "only of this `domain` or address")
	cmd.Flags().StringVar(&n.Topic, "topic", "", "only the subscriptions of the topic with this `name`")
	return many(a, cmd, row{"NAME", "OF", "ACCOUNT", "KIND", "STATE", "TARGET", "EVENTS"},
		func(d admin.Destination) row {
			return row{d.Name, d.Owner(), d.Account, d.Kind, d.State, d.Target, strings.Join(d.Events, ",")}
		}, func(ctx context.Context, c *admin.Client, _ []string) iter.Seq2[admin.Destination, error] {
			return c.Destinations(ctx, n)
		})
}

// ownerFlags say what a destination belongs to.
func ownerFlags(cmd *cobra.Command, n *admin.DestinationName) {
	accountFlag(cmd, &n.Account)
	cmd.Flags().StringVar(&n.Set, "configuration-set", "", "the configuration set's `name`")
	cmd.Flags().StringVar(&n.Identity, "identity", "", "the identity, a `domain` or an address, in the place of a configuration set")
	cmd.MarkFlagsMutuallyExclusive("configuration-set", "identity")
}

// owned says what is missing.
func owned(n admin.DestinationName) error {
	if n.Owner() == "" {
		return errors.New("name the configuration set with --configuration-set, or the identity with --identity")
	}
	return nil
}

// destinationCommand makes a command for one destination.
func destinationCommand[T any](a *app, use, short string, f func(*admin.Client, context.Context, admin.DestinationName) (T, error),
	rows func(T) []row) *cobra.Command {
	var n admin.DestinationName
	cmd := &cobra.Command{
		Use: use + " NAME", Short: short,
		PreRunE: func(*cobra.Command, []string) error { return owned(n) },
	}
	ownerFlags(cmd, &n)
	cmd.Flags().StringVar(&n.Topic, "topic", "", "the `name` of a topic, for one of its subscriptions")
	cmd.MarkFlagsMutuallyExclusive("configuration-set", "identity", "topic")
	return named(a, cmd, rows, func(c *admin.Client, ctx context.Context, name string) (T, error) {
		n.Name = name
		return f(c, ctx, n)
	})
}
