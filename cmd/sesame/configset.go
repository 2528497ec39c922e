package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account"
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
	var (
		owner string
		f     setFlags
	)
	cmd := a.printing(&cobra.Command{
		Use: "create NAME", Short: "Make a configuration set", Args: cobra.ExactArgs(1),
		Long: "Make a configuration set. Mail goes under it that names it in the header field\n" +
			"X-SES-CONFIGURATION-SET, or whose credential or identity has it as its default.",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			change, err := f.change(cmd)
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			s, err := client.CreateConfigSet(cmd.Context(), owner, args[0], change)
			if err != nil {
				return err
			}
			return a.object(s, setRows(s)...)
		}),
	})
	cmd.Flags().StringVar(&owner, "account", account.DefaultName, "the account's `name`")
	f.add(cmd)
	return cmd
}

func newConfigSetChange(a *app) *cobra.Command {
	var (
		owner string
		f     setFlags
	)
	cmd := a.printing(&cobra.Command{
		Use: "set NAME", Short: "Change a configuration set, for mail from now on",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return err
			}
			for _, name := range []string{"tls", "max-delivery", "pool", "suppress", "unsubscribe", "pause", "resume"} {
				if cmd.Flags().Changed(name) {
					return nil
				}
			}
			return errors.New("say what to change")
		},
		RunE: does(func(cmd *cobra.Command, args []string) error {
			change, err := f.change(cmd)
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			s, err := client.ChangeConfigSet(cmd.Context(), owner, args[0], change)
			if err != nil {
				return err
			}
			return a.object(s, setRows(s)...)
		}),
	})
	cmd.Flags().StringVar(&owner, "account", account.DefaultName, "the account's `name`")
	f.add(cmd)
	return cmd
}

func newConfigSetShow(a *app) *cobra.Command {
	var owner string
	cmd := a.printing(&cobra.Command{
		Use: "show NAME", Short: "Show a configuration set", Args: cobra.ExactArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			s, err := client.ConfigSet(cmd.Context(), owner, args[0])
			if err != nil {
				return err
			}
			return a.object(s, setRows(s)...)
		}),
	})
	cmd.Flags().StringVar(&owner, "account", account.DefaultName, "the account's `name`")
	return cmd
}

func newConfigSetList(a *app) *cobra.Command {
	var owner string
	cmd := a.printing(&cobra.Command{
		Use: "list", Short: "List configuration sets", Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			return table(a, client.ConfigSets(cmd.Context(), owner),
				row{"NAME", "ACCOUNT", "SENDING", "TLS", "MAX DELIVERY", "POOL", "SUPPRESSION", "UNSUBSCRIBE"},
				func(s admin.ConfigSet) row {
					return row{s.Name, s.Account, onOff(s.Sending), s.TLS, maxDelivery(s.MaxDelivery), orDefault(s.Pool), s.Suppression, orNone(s.Unsubscribe)}
				})
		}),
	})
	cmd.Flags().StringVar(&owner, "account", "", "only of the account with this `name`")
	return cmd
}

func newConfigSetDelete(a *app) *cobra.Command {
	var owner string
	cmd := a.printing(&cobra.Command{
		Use: "delete NAME", Short: "Delete a configuration set; mail that names it is refused then", Args: cobra.ExactArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			s, err := client.DeleteConfigSet(cmd.Context(), owner, args[0])
			if err != nil {
				return err
			}
			return a.object(s, row{fmt.Sprintf("%s of %s is deleted.", s.Name, s.Account)})
		}),
	})
	cmd.Flags().StringVar(&owner, "account", account.DefaultName, "the account's `name`")
	return cmd
}
