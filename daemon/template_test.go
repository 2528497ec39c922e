package daemon_test

import (
	"io"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/sesame-mta/sesame/api/admin"
)

func templateV1(name, subject, text, html string) *sestypes.Template {
	t := &sestypes.Template{TemplateName: &name}
	for _, part := range []struct {
		text string
		into **string
	}{{subject, &t.SubjectPart}, {text, &t.TextPart}, {html, &t.HtmlPart}} {
		if part.text != "" {
			*part.into = aws.String(part.text)
		}
	}
	return t
}

func (r *apiRelay) createTemplate(name, subject, text string) {
	r.t.Helper()
	if _, err := r.v1.CreateTemplate(r.t.Context(), &ses.CreateTemplateInput{Template: templateV1(name, subject, text, "")}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *apiRelay) wants(what string, err error, want string) {
	r.t.Helper()
	if got := code(err); got != want {
		r.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestTemplatesAreKeptByVersion1(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	create := func(tpl *sestypes.Template) error {
		_, err := r.v1.CreateTemplate(ctx, &ses.CreateTemplateInput{Template: tpl})
		return err
	}
	update := func(tpl *sestypes.Template) error {
		_, err := r.v1.UpdateTemplate(ctx, &ses.UpdateTemplateInput{Template: tpl})
		return err
	}
	r.wants("create", create(templateV1("Welcome", "Hi {{name}}", "Hello <{{name}}>", "<b>{{name}}</b>")), "")
	r.wants("create again", create(templateV1("Welcome", "x", "", "")), "AlreadyExists: Template Welcome already exists.")
	r.wants("create a broken one", create(templateV1("Broken", "Hi {{#if x}}", "", "")),
		"InvalidTemplate: Template is invalid: subject part, line 1: the block 'if' is not closed")
	r.wants("create without subject", create(templateV1("Broken", "", "x", "")), "InvalidParameterValue: The subject must be specified.")
	r.wants("create without name", create(templateV1("", "x", "", "")),
		"ValidationError: 1 validation error detected: Value null at 'template.templateName' failed to satisfy constraint: Member must not be null")
	r.wants("update", update(templateV1("Welcome", "Hello {{name}}", "Dear {{name}}", "")), "")
	r.wants("update none", update(templateV1("gone", "x", "", "")), "TemplateDoesNotExist: Template gone does not exist")
	got, err := r.v1.GetTemplate(ctx, &ses.GetTemplateInput{TemplateName: aws.String("Welcome")})
	if err != nil || *got.Template.SubjectPart != "Hello {{name}}" || *got.Template.TextPart != "Dear {{name}}" || aws.ToString(got.Template.HtmlPart) != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = r.v1.GetTemplate(ctx, &ses.GetTemplateInput{TemplateName: aws.String("gone")})
	r.wants("get none", err, "TemplateDoesNotExist: Template gone does not exist")

	for _, name := range []string{"A", "Z"} {
		r.createTemplate(name, "x", "")
	}
	var names []string
	in := &ses.ListTemplatesInput{MaxItems: aws.Int32(2)}
	for {
		page, err := r.v1.ListTemplates(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.TemplatesMetadata {
			if names = append(names, *m.Name); m.CreatedTimestamp == nil || m.CreatedTimestamp.IsZero() {
				t.Error("no time of creation")
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if strings.Join(names, " ") != "A Welcome Z" {
		t.Errorf("listed %v", names)
	}

	render := func(name, data string) (string, error) {
		out, err := r.v1.TestRenderTemplate(ctx, &ses.TestRenderTemplateInput{TemplateName: &name, TemplateData: &data})
		if err != nil {
			return "", err
		}
		return *out.RenderedTemplate, nil
	}
	text, err := render("Welcome", `{"name":"Ann"}`)
	if m, bad := netmail.ReadMessage(strings.NewReader(text)); err != nil || bad != nil || m.Header.Get("Subject") != "Hello Ann" {
		t.Errorf("rendered %q, %v", text, err)
	}
	_, err = render("Welcome", `{}`)
	r.wants("render without data", err, "MissingRenderingAttribute: Attribute 'name' is not present in the rendering data.")
	_, err = render("Welcome", `[`)
	r.wants("render with wrong data", err, "InvalidRenderingParameter: Template rendering data is invalid")
	_, err = render("gone", `{}`)
	r.wants("render none", err, "TemplateDoesNotExist: Template gone does not exist")

	for range 2 { // to delete none succeeds
		_, err = r.v1.DeleteTemplate(ctx, &ses.DeleteTemplateInput{TemplateName: aws.String("Welcome")})
		r.wants("delete", err, "")
	}
	_, err = r.v1.GetTemplate(ctx, &ses.GetTemplateInput{TemplateName: aws.String("Welcome")})
	r.wants("get deleted", err, "TemplateDoesNotExist: Template Welcome does not exist")
}

func TestTemplatesAreKeptByVersion2(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	content := &types.EmailTemplateContent{Subject: aws.String("Hi {{name}}"), Html: aws.String("<b>{{name}}</b>")}
	create := func(name string, content *types.EmailTemplateContent) error {
		_, err := r.v2.CreateEmailTemplate(ctx, &sesv2.CreateEmailTemplateInput{TemplateName: &name, TemplateContent: content,
			Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}})
		return err
	}
	r.wants("create", create("Größe 1/2", content), "")
	r.wants("create again", create("Größe 1/2", content), "AlreadyExistsException: Template Größe 1/2 already exists.")
	r.wants("create a broken one", create("b", &types.EmailTemplateContent{Subject: aws.String("x"), Html: aws.String("{{x")}),
		"BadRequestException: Template is invalid: HTML part, line 1: a tag is not closed")
	content.Text = aws.String("Dear {{name}}")
	_, err := r.v2.UpdateEmailTemplate(ctx, &sesv2.UpdateEmailTemplateInput{TemplateName: aws.String("Größe 1/2"), TemplateContent: content})
	r.wants("update", err, "")
	_, err = r.v2.UpdateEmailTemplate(ctx, &sesv2.UpdateEmailTemplateInput{TemplateName: aws.String("gone"), TemplateContent: content})
	r.wants("update none", err, "NotFoundException: Template gone does not exist")
	got, err := r.v2.GetEmailTemplate(ctx, &sesv2.GetEmailTemplateInput{TemplateName: aws.String("Größe 1/2")})
	if err != nil || *got.TemplateContent.Subject != "Hi {{name}}" || *got.TemplateContent.Text != "Dear {{name}}" ||
		*got.TemplateContent.Html != "<b>{{name}}</b>" || len(got.Tags) != 1 || *got.Tags[0].Value != "blue" {
		t.Errorf("got %+v, %v", got, err)
	}
	list, err := r.v2.ListEmailTemplates(ctx, &sesv2.ListEmailTemplatesInput{})
	if err != nil || len(list.TemplatesMetadata) != 1 || *list.TemplatesMetadata[0].TemplateName != "Größe 1/2" || list.NextToken != nil {
		t.Errorf("list %+v, %v", list, err)
	}
	out, err := r.v2.TestRenderEmailTemplate(ctx, &sesv2.TestRenderEmailTemplateInput{TemplateName: aws.String("Größe 1/2"), TemplateData: aws.String(`{"name":"A"}`)})
	if err != nil || !strings.Contains(*out.RenderedTemplate, "<b>A</b>") || !strings.Contains(*out.RenderedTemplate, "multipart/alternative") {
		t.Errorf("rendered %+v, %v", out, err)
	}
	_, err = r.v2.TestRenderEmailTemplate(ctx, &sesv2.TestRenderEmailTemplateInput{TemplateName: aws.String("Größe 1/2"), TemplateData: aws.String(`{}`)})
	r.wants("render without data", err, "BadRequestException: Attribute 'name' is not present in the rendering data.")
	arn := "arn:aws:ses:" + r.cfg.Region + ":000000000001:template/Größe 1/2"
	_, err = r.v2.TagResource(ctx, &sesv2.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	r.wants("tag", err, "")
	_, err = r.v2.UntagResource(ctx, &sesv2.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"team"}})
	r.wants("untag", err, "")
	tags, err := r.v2.ListTagsForResource(ctx, &sesv2.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "a" {
		t.Errorf("tags %+v, %v", tags, err)
	}
	for _, want := range []string{"", "NotFoundException: Template Größe 1/2 does not exist"} {
		_, err = r.v2.DeleteEmailTemplate(ctx, &sesv2.DeleteEmailTemplateInput{TemplateName: aws.String("Größe 1/2")})
		r.wants("delete", err, want)
	}
}

func TestATemplateBecomesMail(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	r.createTemplate("Welcome", "Grüße, {{name}}", "Hello <{{name}}>{{#each items}} {{this}}{{/each}}")
	to := []string{"bob@example.net"}
	const data = `{"name":"Ann","items":[1,2]}`
	arn := "arn:aws:ses:" + r.cfg.Region + ":000000000001:template/Welcome"
	v2 := func(tpl *types.Template) func() (*string, error) {
		return func() (*string, error) {
			tpl.TemplateData = aws.String(data)
			tpl.Headers = []types.MessageHeader{{Name: aws.String("X-Team"), Value: aws.String("blue")}}
			out, err := r.v2.SendEmail(ctx, &sesv2.SendEmailInput{FromEmailAddress: aws.String("ann@example.org"),
				Destination: &types.Destination{ToAddresses: to}, Content: &types.EmailContent{Template: tpl}})
			if err != nil {
				return nil, err
			}
			return out.MessageId, nil
		}
	}
	n := 0
	for name, send := range map[string]func() (*string, error){
		"v1": func() (*string, error) {
			out, err := r.v1.SendTemplatedEmail(ctx, &ses.SendTemplatedEmailInput{Source: aws.String("ann@example.org"),
				Destination: &sestypes.Destination{ToAddresses: to}, Template: aws.String("Welcome"), TemplateData: aws.String(data)})
			if err != nil {
				return nil, err
			}
			return out.MessageId, nil
		},
		"v2 by name": v2(&types.Template{TemplateName: aws.String("Welcome")}),
		"v2 by ARN":  v2(&types.Template{TemplateArn: &arn}),
		"v2 inline": v2(&types.Template{TemplateContent: &types.EmailTemplateContent{
			Subject: aws.String("Grüße, {{name}}"), Text: aws.String("Hello <{{name}}> {{items.0}} {{items.1}}")}}),
	} {
		id, err := send()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n++
		got := r.arrived(n)[n-1]
		m, err := netmail.ReadMessage(strings.NewReader(string(got.Data)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(m.Body)
		if err != nil || strings.TrimSpace(string(body)) != "Hello <Ann> 1 2" || m.Header.Get("Subject") != "=?UTF-8?q?Gr=C3=BC=C3=9Fe,_Ann?=" ||
			m.Header.Get("Message-Id") != "<"+*id+"@mx1.example.org>" || (name != "v1") != (m.Header.Get("X-Team") == "blue") {
			t.Errorf("%s: %v %q, %v", name, m.Header, body, err)
		}
	}
}

func TestTemplatesThatCannotBeSent(t *testing.T) {
	r := newAPI(t)
	r.createTemplate("Welcome", "Hi {{name}}", "x")
	r.createTemplate("Lines", "Hi{{{name}}}", "x")
	inline := func(text string) *types.Template {
		return &types.Template{TemplateContent: &types.EmailTemplateContent{Subject: aws.String("s"), Text: &text}}
	}
	for name, c := range map[string]struct {
		tpl        *types.Template
		data, want string
	}{
		"none there":     {&types.Template{TemplateName: aws.String("gone")}, "{}", "NotFoundException: Template gone does not exist"},
		"no template":    {&types.Template{}, "{}", "BadRequestException: Template must have exactly one of TemplateName, TemplateArn and TemplateContent."},
		"another's":      {&types.Template{TemplateArn: aws.String("arn:aws:ses:" + r.cfg.Region + ":000000000002:template/Welcome")}, "{}", "BadRequestException: Invalid ARN <arn:aws:ses:" + r.cfg.Region + ":000000000002:template/Welcome>."},
		"a block inline": {inline("{{#if a}}b{{/if}}"), "{}", "BadRequestException: Template contains unsupported operations."},
		"a helper":       {inline("{{lookup a b}}"), "{}", "BadRequestException: Template contains unsupported operations."},
		"broken inline":  {inline("{{"), "{}", "BadRequestException: Template is invalid: text part, line 1: a tag is not closed"},
		"wrong data":     {&types.Template{TemplateName: aws.String("Welcome")}, "[]", "BadRequestException: Template rendering data is invalid"},
		"two lines":      {&types.Template{TemplateName: aws.String("Lines")}, `{"name":"x\r\nBcc: eve@example.net"}`, "BadRequestException: Header field 'Subject' contains control character"},
		"too large":      {&types.Template{TemplateName: aws.String("Welcome")}, `{"name":"` + strings.Repeat("x", 262_144) + `"}`, "BadRequestException: 1 validation error detected: Value at 'templateData' failed to satisfy constraint: Member must have length less than or equal to 262144"},
	} {
		t.Run(name, func(t *testing.T) {
			c.tpl.TemplateData = &c.data
			_, err := r.v2.SendEmail(t.Context(), &sesv2.SendEmailInput{FromEmailAddress: aws.String("ann@example.org"),
				Destination: &types.Destination{ToAddresses: []string{"bob@example.net"}}, Content: &types.EmailContent{Template: c.tpl}})
			if got := code(err); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestABulkCallTellsOfEachEntry(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	r.createTemplate("Welcome", "Hi {{name}}", "from {{city}}")
	v1, err := r.v1.SendBulkTemplatedEmail(ctx, &ses.SendBulkTemplatedEmailInput{Source: aws.String("ann@example.org"),
		Template: aws.String("Welcome"), DefaultTemplateData: aws.String(`{"name":"you","city":"Ulm"}`),
		Destinations: []sestypes.BulkEmailDestination{
			{Destination: &sestypes.Destination{ToAddresses: []string{"a@example.net"}}, ReplacementTemplateData: aws.String(`{"name":"A"}`)},
			{Destination: &sestypes.Destination{ToAddresses: []string{"not an address"}}},
			{Destination: &sestypes.Destination{ToAddresses: []string{"b@example.net"}}, ReplacementTemplateData: aws.String(`{`)},
			{Destination: &sestypes.Destination{ToAddresses: []string{"c@example.net"}}, ReplacementTemplateData: aws.String(`{}`)},
		}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []sestypes.BulkEmailStatus{sestypes.BulkEmailStatusSuccess, sestypes.BulkEmailStatusInvalidParameterValue,
		sestypes.BulkEmailStatusInvalidParameterValue, sestypes.BulkEmailStatusSuccess} {
		if got := v1.Status[i]; got.Status != want || (want == sestypes.BulkEmailStatusSuccess) != (aws.ToString(got.MessageId) != "") ||
			(got.MessageId != nil) == (got.Error != nil) {
			t.Errorf("v1 entry %d: %s %s %s", i, got.Status, aws.ToString(got.MessageId), aws.ToString(got.Error))
		}
	}
	in := &sesv2.SendBulkEmailInput{FromEmailAddress: aws.String("ann@example.org"),
		DefaultContent: &types.BulkEmailContent{Template: &types.Template{TemplateName: aws.String("Welcome"), TemplateData: aws.String(`{"name":"you","city":"Ulm"}`),
			Headers: []types.MessageHeader{{Name: aws.String("X-Team"), Value: aws.String("all")}, {Name: aws.String("X-Other"), Value: aws.String("o")}}}},
		BulkEmailEntries: []types.BulkEmailEntry{
			{Destination: &types.Destination{ToAddresses: []string{"d@example.net"}},
				ReplacementHeaders: []types.MessageHeader{{Name: aws.String("x-team"), Value: aws.String("blue")}}},
			{Destination: &types.Destination{ToAddresses: []string{"e@@example.net"}}},
		}}
	v2, err := r.v2.SendBulkEmail(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := v2.BulkEmailEntryResults; len(got) != 2 || got[0].Status != types.BulkEmailStatusSuccess || aws.ToString(got[0].MessageId) == "" ||
		got[1].Status != types.BulkEmailStatusInvalidParameter || aws.ToString(got[1].Error) == "" || got[1].MessageId != nil {
		t.Errorf("v2: %+v", got)
	}
	texts := map[string]string{}
	for _, m := range r.arrived(3) {
		texts[m.To[0]] = string(m.Data)
	}
	for to, wants := range map[string][]string{"a@example.net": {"Subject: Hi A\r\n", "\r\nfrom Ulm"}, "c@example.net": {"Subject: Hi you\r\n"},
		"d@example.net": {"x-team: blue\r\n", "X-Other: o\r\n"}} {
		for _, want := range wants {
			if !strings.Contains(texts[to], want) {
				t.Errorf("mail to %s lacks %q:\n%s", to, want, texts[to])
			}
		}
	}
	if strings.Contains(texts["d@example.net"], "X-Team: all") {
		t.Error("a header field was not replaced")
	}

	in.FromEmailAddress = aws.String("ann@other.example")
	if v2, err = r.v2.SendBulkEmail(ctx, in); err != nil {
		t.Fatal(err)
	}
	if got := v2.BulkEmailEntryResults[0]; got.Status != types.BulkEmailStatusMessageRejected ||
		!strings.HasPrefix(*got.Error, "Email address is not verified. The following identities failed the check in region ") {
		t.Errorf("not verified: %s %s", got.Status, *got.Error)
	}
	in.FromEmailAddress, in.ConfigurationSetName = aws.String("ann@example.org"), aws.String("gone")
	if v2, err = r.v2.SendBulkEmail(ctx, in); err != nil || v2.BulkEmailEntryResults[0].Status != types.BulkEmailStatusConfigurationSetNotFound {
		t.Errorf("no configuration set: %+v, %v", v2, err)
	}
	in.DefaultContent.Template.TemplateName = aws.String("gone")
	_, err = r.v2.SendBulkEmail(ctx, in)
	r.wants("no template", err, "NotFoundException: Template gone does not exist")
	in.DefaultContent.Template.TemplateName = aws.String("Welcome")
	for range 49 {
		in.BulkEmailEntries = append(in.BulkEmailEntries, in.BulkEmailEntries[0])
	}
	_, err = r.v2.SendBulkEmail(ctx, in)
	r.wants("51 entries", err, "BadRequestException: A call must have 1 to 50 destinations.")
}

func TestAMissingValueIsToldAndSendsNothing(t *testing.T) {
	dir := t.TempDir()
	r := newAPI(t, withEvents(dir))
	ctx := t.Context()
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "log.jsonl"})
	r.createTemplate("Welcome", "Hi {{name}}", "x")
	send := func() (string, error) {
		out, err := r.v1.SendTemplatedEmail(ctx, &ses.SendTemplatedEmailInput{Source: aws.String("ann@example.org"), ConfigurationSetName: aws.String("main"),
			Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}}, Template: aws.String("Welcome"), TemplateData: aws.String("{}")})
		if err != nil {
			return "", err
		}
		return *out.MessageId, nil
	}
	id, err := send()
	if err != nil {
		t.Fatal(err)
	}
	lines := fileLines(t, filepath.Join(dir, "log.jsonl"), 2)
	for i, want := range []string{`"eventType":"Send"`, `"eventType":"Rendering Failure"`} {
		line := string(lines[i])
		if !strings.Contains(line, want) || !strings.Contains(line, `"messageId":"`+id+`"`) || !strings.Contains(line, `"ses:operation":["SendTemplatedEmail"]`) ||
			strings.Contains(line, "Subject") || strings.Contains(line, "Content-Type") {
			t.Errorf("event %d: %s", i, line)
		}
	}
	if !strings.Contains(string(lines[1]), `"failure":{"templateName":"Welcome","errorMessage":"Attribute 'name' is not present in the rendering data."}`) {
		t.Errorf("failure: %s", lines[1])
	}
	r.empty()
	if st, err := r.admin().Status(ctx); err != nil || st.Queue.Messages != 0 {
		t.Errorf("status %+v, %v", st, err)
	}

	// The template that wants it refuses at once.
	if _, err := r.v2.CreateEmailTemplate(ctx, &sesv2.CreateEmailTemplateInput{TemplateName: aws.String("Strict"),
		TemplateContent: &types.EmailTemplateContent{Subject: aws.String("Hi {{name}}"), Text: aws.String("x")},
		Tags:            []types.Tag{{Key: aws.String("sesame:fail_on_missing"), Value: aws.String("true")}}}); err != nil {
		t.Fatal(err)
	}
	_, err = r.v1.SendTemplatedEmail(ctx, &ses.SendTemplatedEmailInput{Source: aws.String("ann@example.org"),
		Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}}, Template: aws.String("Strict"), TemplateData: aws.String("{}")})
	r.wants("strict", err, "MissingRenderingAttribute: Attribute 'name' is not present in the rendering data.")

	// What the rules refuse is not told, whatever its template lacks.
	_, err = r.v1.SendTemplatedEmail(ctx, &ses.SendTemplatedEmailInput{Source: aws.String("ann@other.example"), ConfigurationSetName: aws.String("main"),
		Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}}, Template: aws.String("Welcome"), TemplateData: aws.String("{}")})
	if !strings.HasPrefix(code(err), "MessageRejected: ") {
		t.Errorf("not verified: %v", err)
	}
}

func TestALargeTemplateBecomesMail(t *testing.T) {
	r := newAPI(t)
	r.createTemplate("Large", "{{n}}", "{{#each l}}"+strings.Repeat("0123456789", 100)+"\n{{/each}}{{amazonSESUnsubscribeUrl}}")
	for range 3 { // each gives the memory back
		_, err := r.v1.SendTemplatedEmail(t.Context(), &ses.SendTemplatedEmailInput{Source: aws.String("ann@example.org"),
			Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}}, Template: aws.String("Large"),
			TemplateData: aws.String(`{"n":1,"l":[` + strings.Repeat("1,", 499) + `1]}`)})
		r.wants("send", err, "")
	}
	for _, m := range r.arrived(3) {
		if n := len(m.Data); n < 500_000 || !strings.Contains(string(m.Data), "{{amazonSESUnsubscribeUrl}}") {
			t.Errorf("%d octets", n)
		}
	}
	// More than 10 MB is refused.
	_, err := r.v1.TestRenderTemplate(t.Context(), &ses.TestRenderTemplateInput{TemplateName: aws.String("Large"),
		TemplateData: aws.String(`{"n":1,"l":[` + strings.Repeat("1,", 12_000) + `1]}`)})
	r.wants("more", err, "InvalidTemplate: Template cannot be rendered: the rendered text is too large")
}

// The link of a mailing list is put into what a template becomes, as into any mail.
func TestATemplateHasTheLinkOfItsMailingList(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	list := "news"
	r.createSet("main", admin.SetChange{Unsubscribe: &list})
	r.createTemplate("News", "News", "Leave: {{amazonSESUnsubscribeUrl}}")
	_, err := r.v1.SendTemplatedEmail(t.Context(), &ses.SendTemplatedEmailInput{Source: aws.String("ann@example.org"), ConfigurationSetName: aws.String("main"),
		Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}}, Template: aws.String("News"), TemplateData: aws.String("{}")})
	r.wants("send", err, "")
	if m := string(r.arrived(1)[0].Data); !strings.Contains(m, "\r\nLeave: https://mail.example.org/unsubscribe/") {
		t.Errorf("mail:\n%s", m)
	}
}
