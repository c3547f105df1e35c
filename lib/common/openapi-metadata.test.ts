import 'reflect-metadata';
import { documentTag, needsBearer, OPENAPI } from './openapi-metadata.js';

it('writes what @nestjs/swagger reads', () => {
  class Keys {}
  needsBearer(Keys);
  documentTag('keys')(Keys);
  expect(Reflect.getMetadata(OPENAPI.security, Keys)).toEqual([{ bearer: [] }]);
  expect(Reflect.getMetadata(OPENAPI.tags, Keys)).toEqual(['keys']);
});
