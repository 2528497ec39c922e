package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
)

func newTemplate(a *app) *cobra.Command {
	return group("template", "Keep mail templates, and see what they become",
		newTemplatePut(a), newTemplateGet(a), newTemplateList(a), newTemplateRender(a), newTemplateDelete(a))
}

// templateFlags are the flags of what a template may be given.
type templateFlags struct {
	subject, text, html string
	failOnMissing       bool
}

func (f *templateFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.subject, "subject", "", "the `template` of the subject")
	flags.StringVar(&f.text, "text", "", "`file` with the template of the plain text")
	flags.StringVar(&f.html, "html", "", "`file` with the template of the HTML")
	flags.BoolVar(&f.failOnMissing, "fail-on-missing", false, "refuse data that lacks a value, in the place of an event")
}

// change gives what the flags say that were given.
func (f *templateFlags) change(cmd *cobra.Command) (c admin.TemplateChange, err error) {
	given := cmd.Flags().Changed
	if given("subject") {
		c.Subject = &f.subject
	}
	if given("fail-on-missing") {
		c.FailOnMissing = &f.failOnMissing
	}
	for _, part := range []struct {
		name, file string
		into       **string
	}{{"text", f.text, &c.Text}, {"html", f.html, &c.HTML}} {
		if !given(part.name) {
			continue
		}
		content := []byte(nil) // of no file: none
		if part.file != "" {
			if content, err = os.ReadFile(part.file); err != nil {
				return c, err
			}
		}
		text := string(content)
		*part.into = &text
	}
	return c, nil
}

func newTemplatePut(a *app) *cobra.Command {
	var f templateFlags
	cmd := &cobra.Command{
		Use: "put NAME", Short: "Make a template, or change parts of it",
		Long: "Make a template, or change the parts that are given. Templates are written in\n" +
			"the Handlebars of Amazon SES, and sent by its API.",
		Args: changing("say what to keep", "subject", "text", "html", "fail-on-missing"),
	}
	f.add(cmd)
	return ofAccount(a, cmd, says(func(t admin.Template) string { return fmt.Sprintf("%s of %s is kept.", t.Name, t.Account) }),
		func(c *admin.Client, ctx context.Context, owner, name string) (admin.Template, error) {
			change, err := f.change(cmd)
			if err != nil {
				return admin.Template{}, err
			}
			return c.PutTemplate(ctx, owner, name, change)
		})
}

// parts prints the parts of a template, or of what it became, as text.
func (a *app) parts(v any, subject, text, html string, more ...row) error {
	if a.json {
		return a.line(v)
	}
	if err := a.object(v, append(more, row{"subject", subject})...); err != nil {
		return err
	}
	for _, part := range [][2]string{{"text", text}, {"html", html}} {
		if part[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.out, "\n%s:\n%s\n", part[0], printable(part[1], true)); err != nil {
			return err
		}
	}
	return nil
}

func newTemplateGet(a *app) *cobra.Command {
	var owner string
	cmd := &cobra.Command{Use: "get NAME", Short: "Show a template", Args: cobra.ExactArgs(1)}
	accountFlag(cmd, &owner)
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		t, err := c.Template(ctx, owner, args[0])
		if err != nil {
			return err
		}
		missing := "an event tells"
		if t.FailOnMissing {
			missing = "refused"
		}
		return a.parts(t, t.Subject, t.Text, t.HTML, row{"template", t.Name}, row{"account", t.Account},
			row{"missing values", missing}, row{"created", instant(t.Created)}, row{"changed", instant(t.Updated)})
	})
}

func newTemplateList(a *app) *cobra.Command {
	return ofAccounts(a, &cobra.Command{Use: "list", Short: "List templates"}, row{"NAME", "ACCOUNT", "CREATED"},
		func(t admin.TemplateName) row { return row{t.Name, t.Account, instant(t.Created)} }, (*admin.Client).Templates)
}

func newTemplateRender(a *app) *cobra.Command {
	var owner, data, file string
	cmd := &cobra.Command{Use: "render NAME", Short: "Show what a template becomes", Args: cobra.ExactArgs(1)}
	accountFlag(cmd, &owner)
	cmd.Flags().StringVar(&data, "data", "{}", "the data, an object of `JSON`")
	cmd.Flags().StringVar(&file, "data-file", "", "`file` with the data")
	cmd.MarkFlagsMutuallyExclusive("data", "data-file")
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		if file != "" {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			data = string(content)
		}
		r, err := c.RenderTemplate(ctx, owner, args[0], data)
		if err != nil {
			return err
		}
		return a.parts(r, r.Subject, r.Text, r.HTML)
	})
}

func newTemplateDelete(a *app) *cobra.Command {
	return ofAccount(a, &cobra.Command{Use: "delete NAME", Short: "Delete a template"},
		says(func(t admin.TemplateName) string { return fmt.Sprintf("%s of %s is deleted.", t.Name, t.Account) }), (*admin.Client).DeleteTemplate)
}
