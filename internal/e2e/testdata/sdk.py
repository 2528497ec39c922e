# Makes calls with boto3, or with the aws command in this process: one JSON
# object a line on standard input, one answer a line on standard output. Binary
# data in calls is {"$blob": text}.
import base64
import contextlib
import datetime
import io
import json
import os
import re
import sys

os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_MAX_ATTEMPTS"] = "1"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def revive(decoded):
    def hook(value):
        return decoded(value["$blob"].encode()) if "$blob" in value else value
    return hook


def show(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return base64.b64encode(value).decode()


class Boto3:
    revive = staticmethod(revive(bytes))

    def __init__(self):
        import boto3
        self.boto3 = boto3
        self.clients = {}

    def make(self, call):
        from botocore import xform_name
        from botocore.config import Config
        from botocore.exceptions import ClientError, ParamValidationError
        keys = call["keys"]
        name = call["service"], tuple(sorted(keys.items()))
        if name not in self.clients:
            self.clients[name] = self.boto3.client(
                call["service"], endpoint_url=keys["endpoint"], region_name=keys["region"],
                aws_access_key_id=keys["id"], aws_secret_access_key=keys["secret"],
                config=Config(retries={"max_attempts": 0}))
        client = self.clients[name]
        operation = getattr(client, xform_name(call["op"]), None)
        if operation is None:
            return {"skip": "no operation " + call["op"]}
        try:
            out = operation(**call["in"])
        except ClientError as err:
            return {"code": err.response["Error"]["Code"], "message": err.response["Error"]["Message"], "type": type(err).__name__}
        except ParamValidationError as err:
            return {"skip": str(err)}
        del out["ResponseMetadata"]
        return {"out": out}


class Command:
    revive = staticmethod(revive(lambda text: base64.b64encode(text).decode()))

    def __init__(self):
        self.drivers = {}

    def make(self, call):
        from awscli.botocore import xform_name
        from awscli.clidriver import create_clidriver
        keys = call["keys"]
        name = keys["id"], keys["secret"]
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = name
        if name not in self.drivers:
            self.drivers[name] = create_clidriver()
        args = [call["service"], xform_name(call["op"], "-"), "--endpoint-url", keys["endpoint"], "--region", keys["region"],
                "--output", "json", "--no-cli-pager", "--cli-input-json", json.dumps(call["in"])]
        if "NextToken" in call["in"] or "PageSize" in call["in"] or "MaxItems" in call["in"]:
            args.append("--no-paginate")
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = self.drivers[name].main(args)
            except SystemExit as end:
                code = end.code
        if code == 0:
            return {"out": json.loads(out.getvalue() or "{}")}
        said = re.search(r"An error occurred \(([^)]*)\) when calling the \w+ operation(?: \([^)]*\))?: (.*)", err.getvalue(), re.S)
        if said is None:
            return {"skip": err.getvalue().strip()}
        return {"code": said[1], "message": said[2].rstrip("\n")}


maker = {"boto3": Boto3, "aws": Command}[sys.argv[1]]()
for line in sys.stdin:
    answer = maker.make(json.loads(line, object_hook=maker.revive))
    print(json.dumps(answer, default=show), flush=True)
