package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
)

// identityFlags are what newIdentitySet reads.
type identityFlags struct {
	set        string
	tags       []string
	forwarding string
	headers    []string
}

func newIdentitySet(a *app) *cobra.Command {
	var f identityFlags
	names := []string{"configuration-set", "tag", "feedback-forwarding", "notification-headers"}
	cmd := &cobra.Command{
		Use: "set DOMAIN|ADDRESS", Short: "Set what is given to mail that does not say, and how its owner hears of bounces",
		Long: "Set what is given to mail that names no configuration set or tags, and how the owner hears of\n" +
			"bounces and complaints. They go to the sender by mail unless --feedback-forwarding off is given,\n" +
			"which needs a destination of the identity, or of its default configuration set, that hears of both.",
		Args: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(names, cmd.Flags().Changed) {
				return errors.New("give at least one of --" + strings.Join(names, ", --"))
			}
			for _, t := range f.tags {
				if name, value, ok := strings.Cut(t, "="); t != "" && (!ok || name == "" || value == "") {
					return errors.New("a tag is NAME=VALUE; an empty one takes all away")
				}
			}
			if !slices.Contains([]string{"", "on", "off"}, f.forwarding) {
				return errors.New("--feedback-forwarding is on or off")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	cmd.Flags().StringVar(&f.set, "configuration-set", "", "the default configuration `set`; empty for none")
	cmd.Flags().StringArrayVar(&f.tags, "tag", nil, "a default tag, `NAME=VALUE`, once for each; they replace those before")
	cmd.Flags().StringVar(&f.forwarding, "feedback-forwarding", "", "bounces and complaints by mail: `on` or off")
	cmd.Flags().StringSliceVar(&f.headers, "notification-headers", nil, "the `types` of notifications that show the header of their message: bounce,complaint,delivery; empty for none")
	return ofAccount(a, cmd, identityRows, func(c *admin.Client, ctx context.Context, owner, name string) (i admin.Identity, err error) {
		if d, given := f.defaults(cmd); given {
			if i, err = c.SetDefaults(ctx, owner, name, d); err != nil {
				return i, err
			}
		}
		if n, given := f.notifications(cmd); given {
			i, err = c.SetNotifications(ctx, owner, name, n)
		}
		return i, err
	})
}

func (f *identityFlags) defaults(cmd *cobra.Command) (d identity.Defaults, given bool) {
	if cmd.Flags().Changed("configuration-set") {
		d.Set, given = &f.set, true
	}
	if cmd.Flags().Changed("tag") {
		d.Tags, given = map[string]string{}, true
		for _, t := range f.tags {
			if name, value, ok := strings.Cut(t, "="); ok {
				d.Tags[name] = value
			}
		}
	}
	return d, given
}

func (f *identityFlags) notifications(cmd *cobra.Command) (n identity.Notifications, given bool) {
	if f.forwarding != "" {
		on := f.forwarding == "on"
		n.Forwarding, given = &on, true
	}
	if cmd.Flags().Changed("notification-headers") {
		n.Headers, given = append([]string{}, f.headers...), true
	}
	return n, given
}
