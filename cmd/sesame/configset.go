package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
)

func newConfigSet(a *app) *cobra.Command {
	return group("configset", "Make, change and list configuration sets: rules for mail under a name",
		newConfigSetCreate(a), newConfigSetChange(a), newConfigSetShow(a), newConfigSetList(a), newConfigSetDelete(a))
}

// setFlags are the flags of what a set may be given.
type setFlags struct {
	tls, suppress, pool string
	unsubscribe         string
	maxDelivery         time.Duration
	pause, resume       bool
}

func (f *setFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.tls, "tls", "", "`optional`, or require: never send in clear text")
	flags.DurationVar(&f.maxDelivery, "max-delivery", 0, "how long to try: 300s to 50400s, or 0 for the server's `time`")
	flags.StringVar(&f.pool, "pool", "", "`name` of the pool of sources to send from; empty for the default pool")
	flags.StringVar(&f.suppress, "suppress", "", "suppression list: `account` (as the account has it), none, bounce, complaint or all")
	flags.StringVar(&f.unsubscribe, "unsubscribe", "", "mailing `list` that recipients can leave with one click; empty for none")
	flags.BoolVar(&f.pause, "pause", false, "refuse mail under this set")
	flags.BoolVar(&f.resume, "resume", false, "accept it again")
	cmd.MarkFlagsMutuallyExclusive("pause", "resume")
}

// change gives what the flags say that were given.
func (f *setFlags) change(cmd *cobra.Command) (c admin.SetChange, err error) {
	given := cmd.Flags().Changed
	if given("tls") {
		c.TLS = &f.tls
	}
	if given("suppress") {
		c.Suppression = &f.suppress
	}
	if given("pool") {
		c.Pool = &f.pool
	}
	if given("unsubscribe") {
		c.Unsubscribe = &f.unsubscribe
	}
	if f.pause || f.resume {
		c.Sending = &f.resume
	}
	if given("max-delivery") {
		if f.maxDelivery%time.Second != 0 {
			return c, errors.New("--max-delivery is in whole seconds")
		}
		seconds := int64(f.maxDelivery / time.Second)
		c.MaxDelivery = &seconds
	}
	return c, nil
}

// setRows are a set for people.
func setRows(s admin.ConfigSet) []row {
	return []row{
		{"configuration set", s.Name}, {"account", s.Account}, {"sending", onOff(s.Sending)}, {"tls", s.TLS},
		{"max delivery", maxDelivery(s.MaxDelivery)}, {"pool", orDefault(s.Pool)}, {"suppression", s.Suppression},
		{"unsubscribe", orNone(s.Unsubscribe)},
		{"created", instant(s.Created)},
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "paused"
}

func orNone(list string) string {
	if list == "" {
		return "none"
	}
	return list
}

func orDefault(pool string) string {
	if pool == "" {
		return "default"
	}
	return pool
}

func maxDelivery(seconds int64) string {
	if seconds == 0 {
		return "the server's"
	}
	return strconv.FormatInt(seconds, 10) + "s"
}

func newConfigSetCreate(a *app) *cobra.Command {
	var f setFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a configuration set",
		Long: "Make a configuration set. Mail goes under it that names it in the header field\n" +
			"X-SES-CONFIGURATION-SET, or whose credential or identity has it as its default.",
	}
	f.add(cmd)
	return ofAccount(a, cmd, setRows, f.given(cmd, (*admin.Client).CreateConfigSet))
}

func newConfigSetChange(a *app) *cobra.Command {
	var f setFlags
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change a configuration set, for mail from now on",
		Args: changing("say what to change", "tls", "max-delivery", "pool", "suppress", "unsubscribe", "pause", "resume"),
	}
	f.add(cmd)
	return ofAccount(a, cmd, setRows, f.given(cmd, (*admin.Client).ChangeConfigSet))
}

// given makes of a set what the flags say.
func (f *setFlags) given(cmd *cobra.Command, do func(c *admin.Client, ctx context.Context, owner, name string, s admin.SetChange) (admin.ConfigSet, error),
) func(c *admin.Client, ctx context.Context, owner, name string) (admin.ConfigSet, error) {
	return func(c *admin.Client, ctx context.Context, owner, name string) (admin.ConfigSet, error) {
		change, err := f.change(cmd)
		if err != nil {
			return admin.ConfigSet{}, err
		}
		return do(c, ctx, owner, name, change)
	}
}

func newConfigSetShow(a *app) *cobra.Command {
	return ofAccount(a, &cobra.Command{Use: "show NAME", Short: "Show a configuration set"}, setRows, (*admin.Client).ConfigSet)
}

func newConfigSetList(a *app) *cobra.Command {
	return ofAccounts(a, &cobra.Command{Use: "list", Short: "List configuration sets"},
		row{"NAME", "ACCOUNT", "SENDING", "TLS", "MAX DELIVERY", "POOL", "SUPPRESSION", "UNSUBSCRIBE"},
		func(s admin.ConfigSet) row {
			return row{s.Name, s.Account, onOff(s.Sending), s.TLS, maxDelivery(s.MaxDelivery), orDefault(s.Pool), s.Suppression, orNone(s.Unsubscribe)}
		}, (*admin.Client).ConfigSets)
}

func newConfigSetDelete(a *app) *cobra.Command {
	return ofAccount(a, &cobra.Command{Use: "delete NAME", Short: "Delete a configuration set; mail that names it is refused then"},
		says(func(s admin.ConfigSet) string { return fmt.Sprintf("%s of %s is deleted.", s.Name, s.Account) }), (*admin.Client).DeleteConfigSet)
}
