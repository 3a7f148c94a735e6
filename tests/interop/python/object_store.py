"""An object store that is not ours (moto, which judges signatures by botocore's rules), on loopback, with one bucket and one user.

Prints one line of JSON when it is ready: the address of the bucket, and the credentials of the user, who may put and get objects
of the bucket `logs`. Any other request, and any that is not signed right, is refused by 403. Ends with its standard input.
"""

import json
import sys

import boto3
from moto.core import set_initial_no_auth_action_count
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )


client("s3").create_bucket(Bucket="logs")
iam = client("iam")
iam.create_user(UserName="log")
allowed = {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::logs/*"}
listed = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::logs"}
policy = {"Version": "2012-10-17", "Statement": [allowed, listed]}
iam.put_user_policy(UserName="log", PolicyName="tiles", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="log")["AccessKey"]


@set_initial_no_auth_action_count(0)
def serve():
    said = {"address": f"{endpoint}/logs/old", "id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


serve()
server.stop()
