import { DeploymentFault } from '../endpoint/deployment-fault.js';
import { GoogleAuthorization } from './credentials.js';

jest.mock('google-auth-library', () => {
  throw Object.assign(new Error("Cannot find module 'google-auth-library'"), { code: 'MODULE_NOT_FOUND' });
});

describe('tokens of Google without its library', () => {
  it('fail with the package to install', async () => {
    const authorization = new GoogleAuthorization({ json: { type: 'service_account' }, from: 'deployment', project: undefined }, 'a');
    const error: unknown = await Promise.resolve(authorization.headersFor()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DeploymentFault);
    expect(String(error)).toContain('Vertex AI requires google-auth-library, which is not installed; npm install google-auth-library');
  });
});
