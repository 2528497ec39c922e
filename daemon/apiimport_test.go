package daemon_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/config"
)

// importJob is what is asked for: a file, its form, what to do with it.
func importJob(url string, form types.DataFormat, action types.SuppressionListImportAction) *sesv2.CreateImportJobInput {
	return &sesv2.CreateImportJobInput{
		ImportDataSource:  &types.ImportDataSource{S3Url: &url, DataFormat: form},
		ImportDestination: &types.ImportDestination{SuppressionListDestination: &types.SuppressionListDestination{SuppressionListImportAction: action}},
	}
}

// imported asks for a job until it is over.
func imported(ctx context.Context, t *testing.T, c *sesv2.Client, in *sesv2.CreateImportJobInput) *sesv2.GetImportJobOutput {
	t.Helper()
	job, err := c.CreateImportJob(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		got, err := c.GetImportJob(ctx, &sesv2.GetImportJobInput{JobId: job.JobId})
		if err != nil {
			t.Fatal(err)
		}
		if got.JobStatus == types.JobStatusCompleted || got.JobStatus == types.JobStatusFailed {
			return got
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatal("the import does not end")
	return nil
}

func TestFilesOfSuppressedAddressesByTheAPI(t *testing.T) {
	dir := t.TempDir()
	r := newAPI(t, func(c *config.Config) { c.API.ImportDir = dir })
	ctx := t.Context()
	own := filepath.Join(dir, account.DefaultID)
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"list.csv":  "emailAddress,reason\nann@example.net,COMPLAINT\nbob@example.net\nnobody\n",
		"list.json": `{"emailAddress":"eve@example.net","reason":"BOUNCE"}` + "\n" + `{"emailAddress":"bob@example.net","reason":"BOUNCE"}`,
	} {
		if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := imported(ctx, t, r.v2, importJob("file:list.csv", "CSV", "PUT"))
	if got.JobStatus != "COMPLETED" || *got.ProcessedRecordsCount != 3 || *got.FailedRecordsCount != 1 || !strings.HasPrefix(*got.FailureInfo.ErrorMessage, "line 4: ") ||
		*got.ImportDataSource.S3Url != "file:list.csv" || got.ImportDestination.SuppressionListDestination.SuppressionListImportAction != "PUT" ||
		got.CompletedTimestamp.Before(*got.CreatedTimestamp) {
		t.Errorf("CSV: %+v", got)
	}
	if got := imported(ctx, t, r.v2, importJob("file:list.json", "JSON", "PUT")); got.JobStatus != "COMPLETED" || got.FailureInfo != nil || got.ImportDataSource.DataFormat != "JSON" {
		t.Errorf("JSON: %+v", got)
	}
	has := func(address, want string) {
		t.Helper()
		d, err := r.v2.GetSuppressedDestination(ctx, &sesv2.GetSuppressedDestinationInput{EmailAddress: &address})
		if want == "" {
			wantCode(t, err, "NotFoundException")
		} else if err != nil || string(d.SuppressedDestination.Reason) != want {
			t.Errorf("%s: %+v, %v", address, d, err)
		}
	}
	has("ann@example.net", "COMPLAINT")
	has("bob@example.net", "BOUNCE")
	has("eve@example.net", "BOUNCE")
	imported(ctx, t, r.v2, importJob("file:list.json", "JSON", "DELETE"))
	has("ann@example.net", "COMPLAINT")
	has("bob@example.net", "")

	n := 0
	pages := sesv2.NewListImportJobsPaginator(r.v2, &sesv2.ListImportJobsInput{PageSize: aws.Int32(2), ImportDestinationType: "SUPPRESSION_LIST"})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.ImportJobs)
	}
	if n != 3 {
		t.Errorf("%d jobs are listed", n)
	}
	_, other := r.as("shop")
	_, err := other.GetImportJob(ctx, &sesv2.GetImportJobInput{JobId: got.JobId})
	wantCode(t, err, "NotFoundException: Import job "+*got.JobId+" does not exist.")
	contacts := importJob("file:list.csv", "CSV", "PUT")
	contacts.ImportDestination = &types.ImportDestination{ContactListDestination: &types.ContactListDestination{ContactListName: aws.String("news"), ContactListImportAction: "PUT"}}
	for name, tt := range map[string]struct {
		in   *sesv2.CreateImportJobInput
		want string
	}{
		"on S3":             {importJob("s3://bucket/list.csv", "CSV", "PUT"), "BadRequestException: a file to import is named by file:"},
		"not there":         {importJob("file:none.csv", "CSV", "PUT"), "BadRequestException: there is no such file to import"},
		"another form":      {importJob("file:list.csv", "XML", "PUT"), "BadRequestException: 1 validation error detected: Value at 'dataFormat'"},
		"another action":    {importJob("file:list.csv", "CSV", "ADD"), "BadRequestException: 1 validation error detected: Value at 'suppressionListImportAction'"},
		"to a contact list": {contacts, "UnknownOperationException: Unavailable Operation"},
	} {
		_, err := r.v2.CreateImportJob(ctx, tt.in)
		if got := code(err); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	_, err = other.CreateImportJob(ctx, importJob("file:list.csv", "CSV", "DELETE"))
	wantCode(t, err, "BadRequestException: there is no such file")
}
